//! Sessions of devices: connect, disconnect, restart, log out, pair; and the one place that applies a [`Signal`].

use std::time::Duration;

use super::state::{Effect, Signal, StateReason};
use super::{Device, DeviceState, Wanted, lookup};
use crate::access::Scope;
use crate::address::PhoneNumber;
use crate::context::{OpContext, Ports};
use crate::error::{Error, Result};
use crate::event::NewEvent;
use crate::id::DeviceId;
use crate::ports::Tx;
use crate::ports::store::DeviceChange;
use crate::ports::whatsapp::{Account, DeviceLock, PairingCode, QrCode};

/// Starts the device's session: resumes it when it is paired, else asks WhatsApp for a QR code. Repeating it changes nothing.
pub async fn connect(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    let _lock = lock(ctx, id).await?;
    start(ctx, id).await
}

/// Ends the device's session; it stays linked and is left alone until somebody connects it.
pub async fn disconnect(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    let _lock = lock(ctx, id).await?;
    halt(ctx, id).await
}

/// Ends the device's session and starts it again.
pub async fn restart(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    let _lock = lock(ctx, id).await?;
    halt(ctx, id).await?;
    start(ctx, id).await
}

/// Unlinks the device at WhatsApp and forgets its keys. A new pairing is needed afterwards.
pub async fn logout(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    let _lock = lock(ctx, id).await?;
    ctx.services.sessions.logout(id).await?;
    stop(ctx, id, Signal::Unlinked(StateReason::new("requested", "logged out on request"))).await
}

/// The right to start and stop the session, for a caller who may and whose device it is.
pub(super) async fn lock(ctx: &OpContext, id: &DeviceId) -> Result<DeviceLock> {
    ctx.caller.require(Scope::DevicesWrite)?;
    lookup::get(ctx, id).await?;
    ctx.services.sessions.lock(id).await
}

/// The caller holds the device lock.
async fn start(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    let mut tx = ctx.ports().store.write().await?;
    lookup::find_in(&mut *tx, ctx.tenant(), id).await?;
    tx.device_want(id, Wanted::Running).await?;
    apply(ctx.ports(), &mut *tx, id, Signal::ConnectRequested, None).await?;
    let device = lookup::find_in(&mut *tx, ctx.tenant(), id).await?;
    tx.commit().await?;
    ctx.ports().waker.events_stored();
    ctx.services.sessions.open(&device).await?;
    Ok(device)
}

/// The caller holds the device lock.
async fn halt(ctx: &OpContext, id: &DeviceId) -> Result<Device> {
    let device = stop(ctx, id, Signal::DisconnectRequested).await?;
    ctx.services.sessions.close(id).await?;
    Ok(device)
}

/// The caller holds the device lock.
async fn stop(ctx: &OpContext, id: &DeviceId, signal: Signal) -> Result<Device> {
    let mut tx = ctx.ports().store.write().await?;
    lookup::find_in(&mut *tx, ctx.tenant(), id).await?;
    tx.device_want(id, Wanted::Stopped).await?;
    apply(ctx.ports(), &mut *tx, id, signal, None).await?;
    let device = lookup::find_in(&mut *tx, ctx.tenant(), id).await?;
    tx.commit().await?;
    ctx.ports().waker.events_stored();
    Ok(device)
}

/// The QR code to scan now, or what is in the way of one.
pub async fn qr(ctx: &OpContext, id: &DeviceId) -> Result<QrCode> {
    ctx.caller.require(Scope::DevicesWrite)?;
    let device = lookup::get(ctx, id).await?;
    match device.state {
        DeviceState::Pairing | DeviceState::Connecting if device.jid.is_none() => {
            let retry_after = Duration::from_secs(1);
            let why = "WhatsApp has not sent the QR code yet; ask again in a second".to_owned();
            ctx.services.sessions.qr(id).ok_or(Error::Busy { why, retry_after })
        }
        DeviceState::Connected | DeviceState::Reconnecting | DeviceState::Connecting => Err(Error::Conflict {
            code: "already_paired",
            why: "the device is linked already; POST /v1/devices/{id}/logout first to link another account".to_owned(),
        }),
        state => Err(Error::NotReady { state, hint: state.way_to_connected() }),
    }
}

/// Asks WhatsApp for a code to type on the phone with this number, instead of scanning.
pub async fn pairing_code(ctx: &OpContext, id: &DeviceId, phone: &str) -> Result<PairingCode> {
    ctx.caller.require(Scope::DevicesWrite)?;
    let phone = PhoneNumber::parse("phone", phone)?;
    let device = lookup::get(ctx, id).await?;
    match device.state {
        DeviceState::Pairing => ctx.services.sessions.pairing_code(id, &phone).await,
        state => Err(Error::NotReady { state, hint: state.way_to_connected() }),
    }
}

/// Devices looked at in one transaction after a start.
const AFTER_START_PAGE: u32 = 200;

/// Corrects what the process of before left behind, before anybody can ask: no session runs yet, so linked devices that
/// seemed to run are `reconnecting`, and those that waited for a person, whose code is gone, are `disconnected`.
pub async fn after_start(ports: &Ports) -> Result<()> {
    let mut after = None;
    loop {
        let mut tx = ports.store.write().await?;
        let page = tx.device_wanted(after.as_ref(), AFTER_START_PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for device in &page {
            let text = "the gateway was restarted";
            let signal = if device.is_paired() {
                let then = format!("{text}; the device is being connected again");
                Signal::ConnectionLost(StateReason::new("gateway_restarted", then))
            } else {
                let then = format!("{text}; connect the device again for a new code");
                Signal::Ended(StateReason::new("gateway_restarted", then))
            };
            apply(ports, &mut *tx, &device.id, signal, None).await?;
        }
        tx.commit().await?;
    }
}

/// Brings a device that should run and has no session back to where one can be started, unless it should not run any more.
/// Gives the device as it then is. Within the device's [`DeviceLock`].
pub async fn resume(ports: &Ports, id: &DeviceId, lost: StateReason) -> Result<Option<Device>> {
    let mut tx = ports.store.write().await?;
    let wanted = tx.device_load(id).await?.is_some_and(|d| d.wanted == Wanted::Running);
    if !wanted {
        return Ok(None);
    }
    // From a running state the first leads to `reconnecting`, from a resting one the second to `connecting`; the other
    // changes nothing.
    apply(ports, &mut *tx, id, Signal::ConnectionLost(lost), None).await?;
    apply(ports, &mut *tx, id, Signal::ConnectRequested, None).await?;
    let device = tx.device_load(id).await?;
    tx.commit().await?;
    ports.waker.events_stored();
    Ok(device)
}

/// Applies a signal in its own transaction and starts, stops or restarts the session as the machine says.
pub async fn tell(ports: &Ports, id: &DeviceId, signal: Signal, account: Option<Account>) -> Result<Effect> {
    let mut tx = ports.store.write().await?;
    let told = tell_in(ports, &mut *tx, id, signal, account).await?;
    tx.commit().await?;
    ports.waker.events_stored();
    told.wake(ports, id);
    Ok(told.effect)
}

/// What a signal came to.
pub(crate) struct Told {
    effect: Effect,
    /// The session runs though nobody wants it to.
    unwanted: bool,
}

impl Told {
    /// Wakes the tasks that act on the signal. Called once it is durable.
    pub(crate) fn wake(&self, ports: &Ports, id: &DeviceId) {
        ports.waker.outgoing(id);
        if self.effect != Effect::None || self.unwanted {
            ports.waker.session(id, Duration::ZERO);
        }
    }
}

/// Applies a signal in `tx`.
pub(crate) async fn tell_in(
    ports: &Ports,
    tx: &mut dyn Tx,
    id: &DeviceId,
    signal: Signal,
    account: Option<Account>,
) -> Result<Told> {
    // A late signal of the old session can arrive after a stop was decided.
    let lives = matches!(signal, Signal::LoggedIn | Signal::PairingStarted);
    let unwanted = lives && tx.device_load(id).await?.is_some_and(|d| d.wanted == Wanted::Stopped);
    let effect = apply(ports, tx, id, signal, account).await?;
    Ok(Told { effect, unwanted })
}

/// Records where a signal leads, with its event, in `tx`. A signal for a device that is gone changes nothing.
pub(crate) async fn apply(
    ports: &Ports,
    tx: &mut dyn Tx,
    id: &DeviceId,
    signal: Signal,
    account: Option<Account>,
) -> Result<Effect> {
    let Some(device) = tx.device_load(id).await? else {
        return Ok(Effect::None);
    };
    let Some(next) = device.state.on(signal) else {
        return Ok(Effect::None);
    };
    let now = ports.now();
    let change = DeviceChange {
        state: next.state,
        reason: next.reason,
        since: now,
        deadline: next.state.deadline().map(|span| now + span),
        identity: account,
    };
    tx.device_change(id, &change).await?;
    match next.state {
        DeviceState::LoggedOut => {
            tx.device_want(id, Wanted::Stopped).await?;
            tx.device_forget_account(id).await?;
        }
        DeviceState::Disconnected => tx.device_want(id, Wanted::Stopped).await?,
        // Its keys may be gone already, wiped by a process that died before it could say so.
        DeviceState::Pairing => tx.device_forget_account(id).await?,
        _ => {}
    }
    if let Some(device) = tx.device_load(id).await? {
        tx.event_raise(&[NewEvent::device_state(&device)?]).await?;
    }
    Ok(next.effect)
}
