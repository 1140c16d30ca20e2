//! Fakes of ports that more than one crate's tests need.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::address::{Party, PhoneNumber, Recipient};
use crate::error::{Error, Result};
use crate::id::DeviceId;
use crate::model::contact::{Contact, PictureUrl};
use crate::model::device::Device;
use crate::model::group::{Group, GroupChange, GroupId, JoinRequest, JoinedGroup, MemberAction, MemberResult};
use crate::model::media::Digest;
use crate::model::message::Target;
use crate::ports::Compute;
use crate::ports::blobs::{Blobs, ByteSource, Claim, Stored};
use crate::ports::whatsapp::{
    Contacts, DeviceLock, Files, Groups, Messages, Named, NewGroup, Outgoing, PairingCode, Picture, PictureSize,
    QrCode, RemoteMedia, Renew, Resources, SentReceipt, Sessions,
};

/// Computes at once, on the thread that asks.
#[derive(Debug, Default)]
pub struct ComputeHere;

#[async_trait]
impl Compute for ComputeHere {
    async fn run(&self, work: Box<dyn FnOnce() + Send>) -> Result<()> {
        work();
        Ok(())
    }
}

/// WhatsApp without a network. Sessions open and close at once; what is sent is kept; questions to WhatsApp find it
/// unreachable.
#[derive(Debug, Default)]
pub struct FakeWhatsApp {
    unreachable: bool,
    sent: Mutex<Vec<(DeviceId, Outgoing)>>,
}

impl FakeWhatsApp {
    /// Every call but locking fails: no session can be opened and nothing can be sent.
    pub fn unreachable() -> Self {
        Self { unreachable: true, ..Self::default() }
    }

    /// What was sent, in order.
    pub fn sent(&self) -> Vec<(DeviceId, Outgoing)> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check(&self) -> Result<()> {
        if self.unreachable { unreachable() } else { Ok(()) }
    }
}

fn unreachable<T>() -> Result<T> {
    Err(Error::unavailable("WhatsApp", "the fake has no network"))
}

#[async_trait]
impl Sessions for FakeWhatsApp {
    async fn lock(&self, _: &DeviceId) -> Result<DeviceLock> {
        Ok(DeviceLock::new(()))
    }

    async fn open(&self, _: &Device) -> Result<()> {
        self.check()
    }

    async fn close(&self, _: &DeviceId) -> Result<()> {
        self.check()
    }

    async fn logout(&self, _: &DeviceId) -> Result<()> {
        self.check()
    }

    fn qr(&self, _: &DeviceId) -> Option<QrCode> {
        None
    }

    async fn pairing_code(&self, _: &DeviceId, _: &PhoneNumber) -> Result<PairingCode> {
        unreachable()
    }

    fn resources(&self, _: &DeviceId) -> Option<Resources> {
        None
    }
}

#[async_trait]
impl Messages for FakeWhatsApp {
    async fn send(&self, device: &DeviceId, message: &Outgoing) -> Result<()> {
        self.check()?;
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push((device.clone(), message.clone()));
        Ok(())
    }

    async fn star(&self, _: &DeviceId, _: &Party, _: &Target, _: bool) -> Result<()> {
        self.check()
    }

    async fn send_receipt(&self, _: &DeviceId, _: &SentReceipt) -> Result<()> {
        self.check()
    }
}

#[async_trait]
impl Contacts for FakeWhatsApp {
    async fn resolve(&self, _: &DeviceId, _: &Recipient) -> Result<Party> {
        unreachable()
    }

    async fn check(&self, _: &DeviceId, _: &[Recipient]) -> Result<Vec<Option<Party>>> {
        unreachable()
    }

    async fn contact(&self, _: &DeviceId, _: &Party) -> Result<Contact> {
        unreachable()
    }

    async fn picture(&self, _: &DeviceId, _: &Party, _: PictureSize) -> Result<Option<PictureUrl>> {
        unreachable()
    }

    async fn block(&self, _: &DeviceId, _: &Party, _: bool) -> Result<()> {
        unreachable()
    }

    async fn blocked(&self, _: &DeviceId) -> Result<Vec<Party>> {
        unreachable()
    }

    async fn lids(&self, _: &DeviceId) -> Result<Vec<Party>> {
        unreachable()
    }
}

#[async_trait]
impl Groups for FakeWhatsApp {
    async fn groups(&self, _: &DeviceId) -> Result<Vec<Group>> {
        unreachable()
    }

    async fn group(&self, _: &DeviceId, _: &GroupId) -> Result<Group> {
        unreachable()
    }

    async fn group_create(&self, _: &DeviceId, _: &NewGroup) -> Result<Group> {
        unreachable()
    }

    async fn group_change(&self, _: &DeviceId, _: &GroupId, _: &GroupChange) -> Result<()> {
        unreachable()
    }

    async fn group_picture(&self, _: &DeviceId, _: &GroupId, _: Option<Picture>) -> Result<()> {
        unreachable()
    }

    async fn group_members(
        &self,
        _: &DeviceId,
        _: &GroupId,
        _: MemberAction,
        _: &[Named],
    ) -> Result<Vec<MemberResult>> {
        unreachable()
    }

    async fn group_requests(&self, _: &DeviceId, _: &GroupId) -> Result<Vec<JoinRequest>> {
        unreachable()
    }

    async fn group_invite(&self, _: &DeviceId, _: &GroupId, _: Renew) -> Result<String> {
        unreachable()
    }

    async fn invite_preview(&self, _: &DeviceId, _: &str) -> Result<Group> {
        unreachable()
    }

    async fn invite_accept(&self, _: &DeviceId, _: &str) -> Result<JoinedGroup> {
        unreachable()
    }

    async fn group_leave(&self, _: &DeviceId, _: &GroupId) -> Result<()> {
        unreachable()
    }
}

#[async_trait]
impl Files for FakeWhatsApp {
    async fn fetch(&self, _: &DeviceId, _: &RemoteMedia) -> Result<Box<dyn ByteSource>> {
        unreachable()
    }
}

/// A blob store that can't be reached.
#[derive(Debug, Default)]
pub struct NoBlobs;

#[async_trait]
impl Blobs for NoBlobs {
    async fn put(&self, _: &mut dyn ByteSource, _: u64) -> Result<Stored> {
        Err(Error::unavailable("the blob store", "the fake has none"))
    }

    async fn get(&self, _: &Digest, _: Range<u64>) -> Result<Option<Box<dyn ByteSource>>> {
        Err(Error::unavailable("the blob store", "the fake has none"))
    }

    async fn claim(&self, digest: &Digest) -> Claim {
        Claim::new(*digest, ())
    }

    async fn remove(&self, _: Claim) -> Result<()> {
        Err(Error::unavailable("the blob store", "the fake has none"))
    }

    async fn list(&self, _: Option<&Digest>, _: usize) -> Result<Vec<Digest>> {
        Err(Error::unavailable("the blob store", "the fake has none"))
    }
}
