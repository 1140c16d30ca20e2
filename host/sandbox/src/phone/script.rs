//! A scripted contact: a phone that reads, types and answers by itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::event::{Change, Typing};
use super::handle::Phone;
use super::inbox::InboxEntry;
use crate::Error;
use crate::sync::held;

/// Rules one script may have.
const RULES_MAX: usize = 100;
/// Longest time a script types, in milliseconds.
const TYPING_MS_MAX: u64 = 60_000;
/// Events a script takes from the phone's log at once.
const BATCH: usize = 256;

/// What a phone does about a message. The first rule that fits is followed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Only messages from this number.
    pub from: Option<String>,
    /// Only messages whose text holds this, whatever the case of its letters.
    pub contains: Option<String>,
    /// Reads the message.
    pub read: bool,
    /// Types this long before the answer, in milliseconds.
    pub typing_ms: u64,
    /// The answer; `{text}` stands for the message's text and `{from}` for its author's number.
    pub reply: Option<String>,
}

/// What a phone does by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The rules, in the order they are tried.
    pub rules: Vec<Rule>,
    /// Answers after which the script ends, so that two scripts do not talk for ever.
    #[serde(default = "replies_max")]
    pub replies_max: u32,
}

fn replies_max() -> u32 {
    1_000
}

/// A script that runs.
pub(crate) struct Running {
    script: Script,
    stop: CancellationToken,
}

impl Rule {
    fn fits(&self, message: &InboxEntry) -> bool {
        let text = message.text.as_deref().unwrap_or_default().to_lowercase();
        self.from.as_deref().is_none_or(|from| from == message.from)
            && self.contains.as_deref().is_none_or(|part| text.contains(&part.to_lowercase()))
    }
}

impl Phone {
    /// Gives the phone a script in place of an earlier one, or none. It answers what comes from now on.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::LimitReached`].
    pub fn follow(&self, script: Option<Script>) -> Result<(), Error> {
        if let Some(script) = &script {
            if script.rules.len() > RULES_MAX {
                return Err(Error::LimitReached { limit: "rules of a script (100)" });
            }
            if script.rules.iter().any(|rule| rule.typing_ms > TYPING_MS_MAX) {
                return Err(Error::Invalid { why: "a script types for 60000 ms at most" });
            }
        }
        let running = script.map(|script| {
            let stop = self.network.stop.child_token();
            let after = self.account.phone.with_log(|log| log.newest());
            let (phone, rules, ended) = (self.clone(), script.clone(), stop.clone());
            self.network.tasks.spawn(async move {
                tokio::select! {
                    () = ended.cancelled() => {}
                    () = run(phone, rules, after) => {}
                }
            });
            Running { script, stop }
        });
        let earlier = std::mem::replace(&mut *held(&self.account.phone.script), running);
        if let Some(earlier) = earlier {
            earlier.stop.cancel();
        }
        Ok(())
    }

    /// The script the phone follows.
    pub fn script(&self) -> Option<Script> {
        held(&self.account.phone.script).as_ref().map(|running| running.script.clone())
    }
}

async fn run(phone: Phone, script: Script, mut after: u64) {
    let mut replies = 0;
    while replies < script.replies_max && phone.has_event_after(after).await {
        let events = phone.events(after, BATCH);
        // Events beyond the log's limit are gone and will not be answered.
        after = events.last().map_or(after + 1, |event| event.seq);
        for event in events {
            let Change::Message { message } = event.change else { continue };
            let rule = script.rules.iter().find(|rule| !message.from_me && rule.fits(&message));
            let Some(rule) = rule else { continue };
            match act(&phone, rule, &message).await {
                Ok(answered) => replies += u32::from(answered),
                Err(error) => tracing::debug!(%error, "sandbox script cannot act"),
            }
        }
    }
}

async fn act(phone: &Phone, rule: &Rule, message: &InboxEntry) -> Result<bool, Error> {
    if rule.read {
        phone.read(&message.chat, std::slice::from_ref(&message.id))?;
    }
    let Some(reply) = &rule.reply else { return Ok(false) };
    if rule.typing_ms > 0 {
        phone.typing(&message.chat, Typing::Composing)?;
        tokio::time::sleep(Duration::from_millis(rule.typing_ms)).await;
    }
    let text = reply.replace("{from}", &message.from).replace("{text}", message.text.as_deref().unwrap_or_default());
    phone.send_text(&message.chat, &text).await?;
    Ok(true)
}
