//! [`WhatsAppSessions`] implements the core's port to WhatsApp. Each call finds the device's session and calls the file that does
//! the work.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use portico_core::address::{Party, PhoneNumber, Recipient};
use portico_core::contact::{Contact, PictureUrl};
use portico_core::device::{Device, DeviceState};
use portico_core::error::{Error, Result};
use portico_core::group::{Group, GroupChange, GroupId, JoinRequest, JoinedGroup, MemberAction, MemberResult};
use portico_core::id::DeviceId;
use portico_core::message::Target;
use portico_core::ports::blobs::ByteSource;
use portico_core::ports::whatsapp::{
    CLOSE_TIMEOUT, Contacts, DeviceLock, Files, Groups, Messages, Named, NewGroup, Outgoing, PairingCode, Picture,
    PictureSize, QrCode, RemoteMedia, Renew, Resources, SentReceipt, Sessions,
};
use portico_core::ports::{Blobs, Clock, Inbox, KeyRecords};
use portico_core::seal::Sealer;
use tokio::sync::Semaphore;

use crate::config::{PRE_KEYS_DEFAULT, WhatsAppConfig};
use crate::device_lock::DeviceLocks;
use crate::dial::Transports;
use crate::session::{Context, Session, Table};
use crate::{contacts, failure, files, groups, pairing, receipts, resolve, send};

/// How long WhatsApp may take to hear that a device is unlinked.
const UNLINK_TIMEOUT: Duration = Duration::from_secs(5);
/// When to try again after a limit was hit.
pub(crate) const BUSY_RETRY: Duration = Duration::from_secs(5);

/// All sessions of this process, at most one per device.
///
/// Needs a running Tokio runtime. Dropping it leaves its sessions running: [`Sessions::close`] them first.
pub struct WhatsAppSessions {
    context: Arc<Context>,
    table: Table,
    device_locks: DeviceLocks,
}

impl fmt::Debug for WhatsAppSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhatsAppSessions").field("running", &self.table().len()).finish_non_exhaustive()
    }
}

impl WhatsAppSessions {
    /// Starts without any session.
    ///
    /// `keys` stores what sessions must remember, sealed by `sealer`; facts are reported to `inbox`; `blobs` has the files that are
    /// sent. `Invalid` for a configuration
    /// that this build must not follow: in a build with the feature `sandbox`, every network but a loopback one.
    pub fn new(
        config: WhatsAppConfig,
        keys: Arc<dyn KeyRecords>,
        sealer: Sealer,
        inbox: Arc<dyn Inbox>,
        clock: Arc<dyn Clock>,
        blobs: Arc<dyn Blobs>,
    ) -> Result<Self> {
        if !(1..=PRE_KEYS_DEFAULT).contains(&config.pre_key_count) {
            let why = format!("must be 1 to {PRE_KEYS_DEFAULT}");
            return Err(Error::invalid("whatsapp.pre_key_count", why));
        }
        let transports = Transports::new(&config.network)?;
        let limits = config.limits.clone();
        let transfers = Semaphore::new(limits.file_transfers_max.max(1));
        let context = Context { config, limits, records: keys, sealer, inbox, clock, transports, blobs, transfers };
        Ok(Self {
            context: Arc::new(context),
            table: Arc::new(Mutex::new(HashMap::new())),
            device_locks: DeviceLocks::default(),
        })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<DeviceId, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, device: &DeviceId) -> Option<Arc<Session>> {
        self.table().get(device).cloned()
    }

    fn get(&self, device: &DeviceId) -> Result<Arc<Session>> {
        self.find(device).ok_or_else(|| failure::not_ready(DeviceState::Reconnecting))
    }

    /// Puts a new session into the table unless the device has one.
    fn enter(&self, device: &DeviceId) -> Result<Entry> {
        let mut table = self.table();
        match table.get(device) {
            Some(session) if !session.stop.is_cancelled() => return Ok(Entry::Running),
            Some(session) => return Ok(Entry::Ending(Arc::clone(session))),
            None => {}
        }
        if table.len() >= self.context.limits.sessions_max {
            return Err(Error::Busy {
                why: format!("this gateway runs its limit of {} sessions", self.context.limits.sessions_max),
                retry_after: BUSY_RETRY,
            });
        }
        let session = Session::new(device.clone(), Arc::clone(&self.context));
        table.insert(device.clone(), Arc::clone(&session));
        Ok(Entry::New(session))
    }
}

/// What was found in the table.
enum Entry {
    /// A session that runs.
    Running,
    /// A session that is ending.
    Ending(Arc<Session>),
    /// Nothing; a new session was put there and is to be launched.
    New(Arc<Session>),
}

async fn ended(session: &Session) -> Result<()> {
    let waited = tokio::time::timeout(CLOSE_TIMEOUT, session.done.cancelled()).await;
    waited
        .map_err(|_| Error::Busy { why: "the device's session has not ended yet".to_owned(), retry_after: BUSY_RETRY })
}

#[async_trait]
impl Sessions for WhatsAppSessions {
    async fn lock(&self, device: &DeviceId) -> Result<DeviceLock> {
        self.device_locks.lock(device).await
    }

    async fn open(&self, device: &Device) -> Result<()> {
        loop {
            match self.enter(&device.id)? {
                Entry::Running => return Ok(()),
                Entry::Ending(session) => ended(&session).await?,
                Entry::New(session) => {
                    // In a task of its own: a caller who goes away must not leave a session half launched.
                    let launch = tokio::spawn(session.launch(Arc::clone(&self.table)));
                    return launch.await.map_err(|e| Error::internal("starting a session", e))?;
                }
            }
        }
    }

    async fn close(&self, device: &DeviceId) -> Result<()> {
        let Some(session) = self.find(device) else {
            return Ok(());
        };
        session.stop.cancel();
        ended(&session).await
    }

    async fn logout(&self, device: &DeviceId) -> Result<()> {
        if let Some(session) = self.find(device) {
            session.logging_out.store(true, Ordering::Release);
            if let Some(client) = session.client()
                && tokio::time::timeout(UNLINK_TIMEOUT, client.logout()).await.is_err()
            {
                tracing::warn!(device.id = %device, "WhatsApp did not confirm that the device is unlinked; remove it on the phone");
            }
            session.stop.cancel();
            ended(&session).await?;
        }
        self.context.backend(device).wipe().await
    }

    fn qr(&self, device: &DeviceId) -> Option<QrCode> {
        let code = self.find(device)?.pairing.qr()?;
        (self.context.clock.now() < code.expires_at).then_some(code)
    }

    async fn pairing_code(&self, device: &DeviceId, phone: &PhoneNumber) -> Result<PairingCode> {
        let session = self.get(device)?;
        pairing::code(&session, phone).await
    }

    fn resources(&self, device: &DeviceId) -> Option<Resources> {
        self.find(device).map(|session| session.resources())
    }
}

#[async_trait]
impl Messages for WhatsAppSessions {
    async fn send(&self, device: &DeviceId, message: &Outgoing) -> Result<()> {
        let session = self.get(device)?;
        send::send(&session, message).await
    }

    async fn star(&self, device: &DeviceId, chat: &Party, of: &Target, starred: bool) -> Result<()> {
        let session = self.get(device)?;
        receipts::star(&session, chat, of, starred).await
    }

    async fn send_receipt(&self, device: &DeviceId, receipt: &SentReceipt) -> Result<()> {
        let session = self.get(device)?;
        receipts::send(&session, receipt).await
    }
}

#[async_trait]
impl Contacts for WhatsAppSessions {
    async fn resolve(&self, device: &DeviceId, to: &Recipient) -> Result<Party> {
        let session = self.get(device)?;
        resolve::resolve(&session, to).await
    }

    async fn check(&self, device: &DeviceId, people: &[Recipient]) -> Result<Vec<Option<Party>>> {
        resolve::check(&*self.get(device)?, people).await
    }

    async fn contact(&self, device: &DeviceId, who: &Party) -> Result<Contact> {
        contacts::get(&*self.get(device)?, who).await
    }

    async fn picture(&self, device: &DeviceId, whose: &Party, size: PictureSize) -> Result<Option<PictureUrl>> {
        contacts::picture(&*self.get(device)?, whose, size).await
    }

    async fn block(&self, device: &DeviceId, who: &Party, blocked: bool) -> Result<()> {
        contacts::block(&*self.get(device)?, who, blocked).await
    }

    async fn blocked(&self, device: &DeviceId) -> Result<Vec<Party>> {
        contacts::blocked(&*self.get(device)?).await
    }

    async fn lids(&self, device: &DeviceId) -> Result<Vec<Party>> {
        contacts::lids(&self.context.backend(device)).await
    }
}

#[async_trait]
impl Groups for WhatsAppSessions {
    async fn groups(&self, device: &DeviceId) -> Result<Vec<Group>> {
        groups::list(&*self.get(device)?).await
    }

    async fn group(&self, device: &DeviceId, group: &GroupId) -> Result<Group> {
        groups::get(&*self.get(device)?, group).await
    }

    async fn group_create(&self, device: &DeviceId, new: &NewGroup) -> Result<Group> {
        groups::create(&*self.get(device)?, new).await
    }

    async fn group_change(&self, device: &DeviceId, group: &GroupId, change: &GroupChange) -> Result<()> {
        groups::change(&*self.get(device)?, group, change).await
    }

    async fn group_picture(&self, device: &DeviceId, group: &GroupId, picture: Option<Picture>) -> Result<()> {
        groups::picture(&*self.get(device)?, group, picture).await
    }

    async fn group_members(
        &self,
        device: &DeviceId,
        group: &GroupId,
        action: MemberAction,
        members: &[Named],
    ) -> Result<Vec<MemberResult>> {
        groups::members::act(&*self.get(device)?, group, action, members).await
    }

    async fn group_requests(&self, device: &DeviceId, group: &GroupId) -> Result<Vec<JoinRequest>> {
        groups::members::requests(&*self.get(device)?, group).await
    }

    async fn group_invite(&self, device: &DeviceId, group: &GroupId, renew: Renew) -> Result<String> {
        groups::invite::code(&*self.get(device)?, group, renew).await
    }

    async fn invite_preview(&self, device: &DeviceId, code: &str) -> Result<Group> {
        groups::invite::preview(&*self.get(device)?, code).await
    }

    async fn invite_accept(&self, device: &DeviceId, code: &str) -> Result<JoinedGroup> {
        groups::invite::accept(&*self.get(device)?, code).await
    }

    async fn group_leave(&self, device: &DeviceId, group: &GroupId) -> Result<()> {
        groups::leave(&*self.get(device)?, group).await
    }
}

#[async_trait]
impl Files for WhatsAppSessions {
    async fn fetch(&self, device: &DeviceId, file: &RemoteMedia) -> Result<Box<dyn ByteSource>> {
        let session = self.get(device)?;
        files::fetch::fetch(&session, file).await
    }
}
