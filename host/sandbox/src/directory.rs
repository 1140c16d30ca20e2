//! Who is on the network, by phone number and by LID.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use whatsapp_rust::wacore_binary::{Jid, Server};

use crate::Error;
use crate::account::Account;

/// All accounts. Both names of an account lead to the same value.
#[derive(Default)]
pub(crate) struct Directory {
    by_user: RwLock<HashMap<String, Arc<Account>>>,
}

impl Directory {
    /// Finds an account by the digits of its phone number or LID.
    pub(crate) fn find(&self, user: &str) -> Option<Arc<Account>> {
        self.by_user.read().unwrap_or_else(PoisonError::into_inner).get(user).cloned()
    }

    /// Finds the account a user JID names; groups and others name none.
    pub(crate) fn find_jid(&self, jid: &Jid) -> Option<Arc<Account>> {
        if !matches!(jid.server, Server::Pn | Server::Lid) {
            return None;
        }
        self.find(jid.user.as_str())
    }

    /// Finds by a number (with or without `+`) or a JID's text.
    pub(crate) fn find_text(&self, chat: &str) -> Option<Arc<Account>> {
        match chat.contains('@') {
            true => self.find_jid(&chat.parse().ok()?),
            false => self.find(chat.trim_start_matches('+')),
        }
    }

    /// Adds an account unless the number is taken.
    pub(crate) fn insert(&self, account: Arc<Account>, accounts_max: usize) -> Result<(), Error> {
        let mut by_user = self.by_user.write().unwrap_or_else(PoisonError::into_inner);
        if by_user.contains_key(&account.pn) || by_user.contains_key(&account.lid) {
            return Err(Error::PhoneExists);
        }
        if by_user.len() / 2 >= accounts_max {
            return Err(Error::LimitReached { limit: "accounts_max" });
        }
        by_user.insert(account.lid.clone(), Arc::clone(&account));
        by_user.insert(account.pn.clone(), account);
        Ok(())
    }

    /// All accounts, by phone number.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        let by_user = self.by_user.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = by_user
            .iter()
            .filter(|(user, account)| **user == account.pn)
            .map(|(_, account)| Arc::clone(account))
            .collect();
        all.sort_by(|a, b| a.pn.cmp(&b.pn));
        all
    }

    /// A number of the fictitious range that is free.
    pub(crate) fn free_number(&self) -> String {
        let by_user = self.by_user.read().unwrap_or_else(PoisonError::into_inner);
        let start = by_user.len() / 2 + 1;
        (start..).map(|n| format!("155501{n:05}")).find(|number| !by_user.contains_key(number)).unwrap_or_default()
    }
}
