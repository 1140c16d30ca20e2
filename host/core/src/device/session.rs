//! Sessions of devices: connect, disconnect, restart, log out, pair; and the one place that applies a [`Signal`].

use std::sync::Arc;
use std::time::Duration;

use portico_api as api;

use super::state::{Effect, Signal, StateReason};
use super::{Device, DeviceState, Wanted};
use crate::access::authorize::{Action, DeviceAccess};
use crate::address::PhoneNumber;
use crate::context::Write;
use crate::context::idempotency::{Answered, Shown};
use crate::context::{OpContext, Ports};
use crate::error::{Error, Result};
use crate::event::{NewEvent, raise};
use crate::id::DeviceId;
use crate::ports::Topic;
use crate::ports::store::DeviceChange;
use crate::ports::whatsapp::{Account, DeviceLock, PairingCode, QrCode};

/// Starts the device's session: resumes it when it is paired, else asks WhatsApp for a QR code. Repeating it changes nothing.
pub async fn connect(ctx: &OpContext, id: &DeviceId) -> Result<api::Device> {
    let (access, _lock) = lock(ctx, id).await?;
    if let Some(Shown(answer)) = access.answered_before().await? {
        return Ok(answer);
    }
    start(&access).await
}

/// Ends the device's session; it stays linked and is left alone until somebody connects it.
pub async fn disconnect(ctx: &OpContext, id: &DeviceId) -> Result<api::Device> {
    let (access, _lock) = lock(ctx, id).await?;
    if let Some(Shown(answer)) = access.answered_before().await? {
        return Ok(answer);
    }
    halt(&access).await
}

/// Ends the device's session and starts it again.
pub async fn restart(ctx: &OpContext, id: &DeviceId) -> Result<api::Device> {
    let (access, _lock) = lock(ctx, id).await?;
    if let Some(Shown(answer)) = access.answered_before().await? {
        return Ok(answer);
    }
    let id = access.id.clone();
    access.services().ports.write(move |tx| stop(tx, &id, Signal::DisconnectRequested)).await?;
    access.services().sessions.close(&access.id).await?;
    start(&access).await
}

/// Unlinks the device at WhatsApp and forgets its keys. A new pairing is needed afterwards.
pub async fn logout(ctx: &OpContext, id: &DeviceId) -> Result<api::Device> {
    let (access, _lock) = lock(ctx, id).await?;
    if let Some(Shown(answer)) = access.answered_before().await? {
        return Ok(answer);
    }
    access.services().sessions.logout(&access.id).await?;
    let requested = Signal::Unlinked(StateReason::new("requested", "logged out on request"));
    let logged_out = access.write(|tx, device| Ok(Shown((&stopped(tx, device, requested)?).into()))).await;
    logged_out.map(Shown::into_inner)
}

/// The right to start and stop the session, for a caller who may and whose device it is.
pub(super) async fn lock<'c>(ctx: &'c OpContext, id: &'c DeviceId) -> Result<(DeviceAccess<'c>, DeviceLock)> {
    let asked = ctx.device(id).require(Action::ManageDevices).await?;
    let lock = asked.services().sessions.lock(id).await?;
    // Looked at again: whoever held the lock before may have paired or unlinked the device.
    Ok((ctx.device(id).require(Action::ManageDevices).await?, lock))
}

/// The caller holds the device lock.
async fn start(access: &DeviceAccess<'_>) -> Result<api::Device> {
    let want = |tx: &mut Write<'_>, device: &Device| {
        tx.device_want(&device.id, Wanted::Running)?;
        apply(tx, &device.id, Signal::ConnectRequested, None)?;
        reloaded(tx, device).map(Answered::of)
    };
    let Answered { noun, view } = access.write(want).await?;
    if let Some(device) = noun {
        access.services().sessions.open(&device).await?;
    }
    Ok(view)
}

/// The caller holds the device lock.
async fn halt(access: &DeviceAccess<'_>) -> Result<api::Device> {
    let stop =
        |tx: &mut Write<'_>, device: &Device| Ok(Shown((&stopped(tx, device, Signal::DisconnectRequested)?).into()));
    let Shown(view) = access.write(stop).await?;
    access.services().sessions.close(&access.id).await?;
    Ok(view)
}

fn stopped(tx: &mut Write<'_>, device: &Device, signal: Signal) -> Result<Device> {
    stop(tx, &device.id, signal)?;
    reloaded(tx, device)
}

fn stop(tx: &mut Write<'_>, id: &DeviceId, signal: Signal) -> Result<()> {
    tx.device_want(id, Wanted::Stopped)?;
    apply(tx, id, signal, None).map(drop)
}

fn reloaded(tx: &mut Write<'_>, device: &Device) -> Result<Device> {
    tx.device_load(&device.id)?.ok_or_else(|| Error::not_found("device", &device.id))
}

/// The QR code to scan now, or what is in the way of one.
pub async fn qr(ctx: &OpContext, id: &DeviceId) -> Result<QrCode> {
    let device = ctx.device(id).require(Action::ManageDevices).await?;
    match device.state {
        DeviceState::Pairing | DeviceState::Connecting if device.jid.is_none() => {
            let retry_after = Duration::from_secs(1);
            let why = "WhatsApp has not sent the QR code yet; ask again in a second".to_owned();
            device.services().sessions.qr(id).ok_or(Error::Busy { why, retry_after })
        }
        DeviceState::Connected | DeviceState::Reconnecting | DeviceState::Connecting => Err(Error::Conflict {
            code: "already_paired",
            why: "the device is linked already; log it out first to link another account".to_owned(),
        }),
        state => Err(Error::NotReady { state: state.as_str(), hint: state.way_to_connected() }),
    }
}

/// Asks WhatsApp for a code to type on the phone with this number, instead of scanning.
pub async fn pairing_code(ctx: &OpContext, id: &DeviceId, phone: &str) -> Result<PairingCode> {
    let device = ctx.device(id).require(Action::ManageDevices).await?;
    let phone = PhoneNumber::parse("phone", phone)?;
    if let Some(answer) = device.answered_before().await? {
        return Ok(answer);
    }
    if device.state != DeviceState::Pairing {
        return Err(Error::NotReady { state: device.state.as_str(), hint: device.state.way_to_connected() });
    }
    let code = device.services().sessions.pairing_code(id, &phone).await?;
    device.write(|_, _| Ok(code)).await
}

/// Devices looked at in one transaction after a start.
const AFTER_START_PAGE: u32 = 200;

/// Corrects what the process of before left behind, before anybody can ask: no session runs yet, so linked devices that
/// seemed to run are `reconnecting`, and those that waited for a person, whose code is gone, are `disconnected`.
pub async fn after_start(ports: &Arc<Ports>) -> Result<()> {
    let mut after = None;
    loop {
        let last = ports.write(move |tx| after_start_page(tx, after.as_ref())).await?;
        if last.is_none() {
            return Ok(());
        }
        after = last;
    }
}

/// Corrects the devices of one page; gives the last of them.
fn after_start_page(tx: &mut Write<'_>, after: Option<&DeviceId>) -> Result<Option<DeviceId>> {
    let page = tx.device_wanted(after, AFTER_START_PAGE)?;
    for device in &page {
        let text = "the gateway was restarted";
        let signal = if device.is_paired() {
            let then = format!("{text}; the device is being connected again");
            Signal::ConnectionLost(StateReason::new("gateway_restarted", then))
        } else {
            let then = format!("{text}; connect the device again for a new code");
            Signal::Ended(StateReason::new("gateway_restarted", then))
        };
        apply(tx, &device.id, signal, None)?;
    }
    Ok(page.last().map(|device| device.id.clone()))
}

/// Brings a device that should run and has no session back to where one can be started, unless it should not run any more.
/// Gives the device as it then is. The caller holds the device lock.
pub async fn resume(ports: &Arc<Ports>, id: &DeviceId, lost: StateReason) -> Result<Option<Device>> {
    let id = id.clone();
    let resume = move |tx: &mut Write<'_>| {
        let wanted = tx.device_load(&id)?.is_some_and(|d| d.wanted == Wanted::Running);
        if !wanted {
            return Ok(None);
        }
        // From a running state the first leads to `reconnecting`, from a resting one the second to `connecting`; the other
        // changes nothing.
        apply(tx, &id, Signal::ConnectionLost(lost), None)?;
        apply(tx, &id, Signal::ConnectRequested, None)?;
        tx.device_load(&id)
    };
    ports.write(resume).await
}

/// Applies a signal in its own transaction and has the session started, stopped or restarted as the state machine says.
pub async fn signal(ports: &Arc<Ports>, id: &DeviceId, signal: Signal, identity: Option<Account>) -> Result<Effect> {
    let id = id.clone();
    ports.write(move |tx| signal_in(tx, &id, signal, identity)).await
}

/// Applies a signal as [`signal`] does, in a transaction of the caller.
pub(crate) fn signal_in(
    tx: &mut Write<'_>,
    id: &DeviceId,
    signal: Signal,
    identity: Option<Account>,
) -> Result<Effect> {
    // A late signal of the old session can arrive after a stop was decided; the session it tells of is then unwanted.
    let lives = matches!(signal, Signal::LoggedIn | Signal::PairingStarted);
    let unwanted = lives && tx.device_load(id)?.is_some_and(|d| d.wanted == Wanted::Stopped);
    let effect = apply(tx, id, signal, identity)?;
    tx.wake(Topic::Outgoing(id.clone()));
    if effect != Effect::None || unwanted {
        tx.wake(Topic::Session { device: id.clone(), after: Duration::ZERO });
    }
    Ok(effect)
}

/// Records where a signal leads, with its event. A signal for a device that is gone changes nothing.
pub(crate) fn apply(tx: &mut Write<'_>, id: &DeviceId, signal: Signal, identity: Option<Account>) -> Result<Effect> {
    let Some(device) = tx.device_load(id)? else {
        return Ok(Effect::None);
    };
    let Some(next) = device.state.on(signal) else {
        return Ok(Effect::None);
    };
    let now = tx.now();
    let change = DeviceChange {
        state: next.state,
        reason: next.reason,
        since: now,
        deadline: next.state.deadline().map(|span| now + span),
        identity,
    };
    tx.device_change(id, &change)?;
    match next.state {
        DeviceState::LoggedOut => {
            tx.device_want(id, Wanted::Stopped)?;
            tx.device_forget_account(id)?;
        }
        DeviceState::Disconnected => tx.device_want(id, Wanted::Stopped)?,
        // The keys may be gone already, wiped by a process that died before it could say so.
        DeviceState::Pairing => tx.device_forget_account(id)?,
        _ => {}
    }
    if let Some(device) = tx.device_load(id)? {
        raise::all(tx, &[NewEvent::device_state(&device)?])?;
    }
    Ok(next.effect)
}
