-- Rows of `messages` that change other messages: reactions, edits and the like.

-- The message that this row changes; lists of messages leave such rows out. No reference: both go with their device.
ALTER TABLE messages ADD COLUMN about_id TEXT;
-- What became of the message: JSON, absent as long as nothing did.
ALTER TABLE messages ADD COLUMN state TEXT;
-- What is around the content, such as the message it answers: JSON, absent when there is nothing.
ALTER TABLE messages ADD COLUMN context TEXT;
CREATE INDEX messages_about ON messages (about_id, id) WHERE about_id IS NOT NULL;
