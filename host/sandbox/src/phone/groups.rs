//! What a phone's user does with groups. Each act is the request a client would make.

use std::sync::Arc;

use whatsapp_rust::wacore_binary::builder::NodeBuilder;
use whatsapp_rust::wacore_binary::{Jid, Node, Server};

use super::handle::Phone;
use crate::Error;
use crate::account::PHONE;
use crate::groups::Group;
use crate::iq::groups;
use crate::stanza::{attr, attr_or_empty, children};

/// A change a phone makes to a group.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "snake_case", tag = "act", content = "value")]
pub enum GroupChange {
    /// Takes these numbers in.
    Add(Vec<String>),
    /// Puts these numbers out.
    Remove(Vec<String>),
    /// Makes these members admins.
    Promote(Vec<String>),
    /// Makes these admins ordinary members.
    Demote(Vec<String>),
    /// Lets these numbers in that asked to join.
    Approve(Vec<String>),
    /// Refuses these numbers that asked to join.
    Reject(Vec<String>),
    /// Names the group.
    Subject(String),
    /// Describes the group; an empty text removes the description.
    Description(String),
    /// Only admins may change what the group shows.
    Locked(bool),
    /// Only admins may write.
    Announcement(bool),
    /// Joining by link needs an admin's approval.
    Approval(bool),
    /// Seconds after which messages disappear; 0 is never.
    Ephemeral(u32),
}

impl Phone {
    /// Creates a group with these members; its JID.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::Refused`].
    pub fn create_group(&self, subject: &str, members: &[String]) -> Result<String, Error> {
        let members = self.participants(members)?;
        let create = NodeBuilder::new("create").attr("subject", subject).children(members).build();
        let answer = self.group_request(&Jid::new("", Server::Group), "set", create)?;
        let id = answer.get_optional_child("group").map(|group| attr_or_empty(group, "id")).unwrap_or_default();
        Ok(Jid::new(id.as_str(), Server::Group).to_string())
    }

    /// Changes a group.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::Refused`] with WhatsApp's code when the phone may not do it.
    pub fn change_group(&self, group: &str, change: &GroupChange) -> Result<(), Error> {
        let group = self.group(group)?;
        let flag = |on: bool, yes: &'static str, no: &'static str| NodeBuilder::new(if on { yes } else { no }).build();
        let members = |tag: &'static str, numbers: &[String]| {
            Ok::<_, Error>(NodeBuilder::new(tag).children(self.participants(numbers)?).build())
        };
        let child = match change {
            GroupChange::Add(numbers) => members("add", numbers)?,
            GroupChange::Remove(numbers) => members("remove", numbers)?,
            GroupChange::Promote(numbers) => members("promote", numbers)?,
            GroupChange::Demote(numbers) => members("demote", numbers)?,
            GroupChange::Approve(numbers) => {
                NodeBuilder::new("membership_requests_action").children([members("approve", numbers)?]).build()
            }
            GroupChange::Reject(numbers) => {
                NodeBuilder::new("membership_requests_action").children([members("reject", numbers)?]).build()
            }
            GroupChange::Subject(text) => NodeBuilder::new("subject").string_content(text.as_str()).build(),
            GroupChange::Description(text) => described(&group, text),
            GroupChange::Locked(on) => flag(*on, "locked", "unlocked"),
            GroupChange::Announcement(on) => flag(*on, "announcement", "not_announcement"),
            GroupChange::Approval(on) => crate::groups::describe::approval(*on),
            GroupChange::Ephemeral(0) => NodeBuilder::new("not_ephemeral").build(),
            GroupChange::Ephemeral(seconds) => NodeBuilder::new("ephemeral").attr("expiration", *seconds).build(),
        };
        let answer = self.group_request(&group.jid(), "set", child)?;
        let refused = children(&answer).iter().flat_map(children).find_map(|one| attr(one, "error"));
        match refused.and_then(|code| code.parse().ok()) {
            Some(code) => Err(Error::Refused { code }),
            None => Ok(()),
        }
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::Refused`].
    pub fn leave_group(&self, group: &str) -> Result<(), Error> {
        let jid = self.group(group)?.jid();
        let inside = NodeBuilder::new("group").attr("id", jid).build();
        let leave = NodeBuilder::new("leave").children([inside]).build();
        self.group_request(&Jid::new("", Server::Group), "set", leave).map(drop)
    }

    /// Joins the group an invite code leads to, or asks to.
    ///
    /// # Errors
    /// [`Error::Refused`] when the code leads nowhere or the phone is a member already.
    pub fn join_group(&self, code: &str) -> Result<(), Error> {
        let invite = NodeBuilder::new("invite").attr("code", code).build();
        self.group_request(&Jid::new("", Server::Group), "set", invite).map(drop)
    }

    /// The code of a group's invite link.
    ///
    /// # Errors
    /// [`Error::UnknownRecipient`], [`Error::Refused`] when the phone is no admin.
    pub fn group_invite(&self, group: &str) -> Result<String, Error> {
        let jid = self.group(group)?.jid();
        let answer = self.group_request(&jid, "get", NodeBuilder::new("invite").build())?;
        Ok(answer.get_optional_child("invite").map(|invite| attr_or_empty(invite, "code")).unwrap_or_default())
    }

    pub(super) fn group(&self, group: &str) -> Result<Arc<Group>, Error> {
        let jid = group.parse().map_err(|_| Error::UnknownRecipient)?;
        self.network.groups.find_jid(&jid).ok_or(Error::UnknownRecipient)
    }

    fn participants(&self, numbers: &[String]) -> Result<Vec<Node>, Error> {
        let participant = |number: &String| {
            let jid = self.recipient(number)?.lid_jid(PHONE);
            Ok(NodeBuilder::new("participant").attr("jid", jid).build())
        };
        numbers.iter().map(participant).collect()
    }

    fn group_request(&self, to: &Jid, kind: &'static str, child: Node) -> Result<Node, Error> {
        let id = self.network.stanza_id();
        let request = NodeBuilder::new("iq").attr("to", to.clone()).attr("type", kind).attr("id", id.as_str());
        let (answer, news) = groups::answer(&self.network, &self.author(), &id, &request.children([child]).build());
        if attr(&answer, "type").is_some_and(|kind| kind == "error") {
            let code = answer.get_optional_child("error").and_then(|error| attr(error, "code")?.parse().ok());
            return Err(Error::Refused { code: code.unwrap_or(500) });
        }
        news.into_iter().for_each(|news| news.tell(&self.network));
        Ok(answer)
    }
}

fn described(group: &Group, text: &str) -> Node {
    let previous = group.with(|state| state.description.as_ref().map(|description| description.id.clone()));
    let mut node = NodeBuilder::new("description").attr("id", crate::identity::random_hex::<4>());
    if let Some(previous) = previous {
        node = node.attr("prev", previous);
    }
    if text.is_empty() {
        return node.attr("delete", "true").build();
    }
    node.children([NodeBuilder::new("body").string_content(text).build()]).build()
}
