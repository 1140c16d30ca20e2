//! The feed: a tenant's events in order, for clients that follow them live or page through them.
//!
//! A reader names the last `seq` it has and gets what comes after; nothing is kept per reader. A key that stops working
//! gets nothing more from the moment it is revoked, also in a feed that began before.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Event, EventKind};
use crate::access::authorize::Action;
use crate::access::keys;
use crate::context::OpContext;
use crate::error::{Error, Result};
use crate::id::{DeviceId, TenantId};
use crate::live::Listener;
use crate::model::webhook::EventFilter;
use crate::page;
use crate::ports::Tx;

/// Which events of a feed are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    device: Option<DeviceId>,
    kinds: Vec<EventFilter>,
    /// Those that the caller may not see.
    hidden: Vec<EventKind>,
    /// The devices that are assigned to the member who follows; `None`: the caller reaches all, and the tenant's own events.
    assigned: Option<Arc<BTreeSet<DeviceId>>>,
}

impl Wanted {
    /// Events of one device (`None`: of all) whose kind one of `kinds` names (none: every kind).
    pub fn new<'a>(device: Option<DeviceId>, kinds: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let parse = |text: &'a str| {
            EventFilter::parse(text).ok_or_else(|| {
                let names: Vec<_> = EventKind::ALL.iter().map(|k| k.as_str()).collect();
                Error::invalid("type", format!("must be `*`, `<noun>.*` or one of {}", names.join(", ")))
            })
        };
        Ok(Self { device, kinds: kinds.into_iter().map(parse).collect::<Result<_>>()?, ..Self::default() })
    }

    /// Whether an event is wanted. Kinds that are not stored are, when they are named in full.
    pub fn takes(&self, event: &Event) -> bool {
        let is_reached = match (&self.assigned, &event.device) {
            (None, _) => true,
            (Some(assigned), Some(device)) => assigned.contains(device),
            (Some(_), None) => false,
        };
        let kind = event.kind;
        is_reached
            && (self.device.is_none() || self.device == event.device)
            && !self.hidden.contains(&kind)
            && match kind.is_stored() {
                true => self.kinds.is_empty() || self.kinds.iter().any(|k| k.matches(kind)),
                false => self.names(kind),
            }
    }

    fn names(&self, kind: EventKind) -> bool {
        self.kinds.iter().any(|filter| filter.as_str() == kind.as_str())
    }

    /// The kinds that are not stored and named here.
    fn live(&self) -> impl Iterator<Item = EventKind> {
        EventKind::ALL.into_iter().filter(|kind| !kind.is_stored() && self.names(*kind))
    }
}

/// Where a feed begins: after `after`, or with what comes next when it is `None`. From then on it wants nothing that the caller
/// may not see: of a device that a key is bound to, or of those that are assigned to a member, and of kinds for which the
/// caller has the scope.
pub async fn start(ctx: &OpContext, wanted: &mut Wanted, after: Option<i64>) -> Result<i64> {
    let access = ctx.require_reaching(Action::SeeMessages)?;
    wanted.device = access.narrowed(wanted.device.take())?;
    wanted.assigned = ctx.caller().assigned().cloned();
    let is_hidden = |kind: &EventKind| kind.scope().is_some_and(|scope| !ctx.caller().has(scope));
    wanted.hidden = EventKind::ALL.into_iter().filter(is_hidden).collect();
    if let Some(device) = &wanted.device {
        ctx.device(device).require(Action::SeeMessages).await?;
    }
    for kind in wanted.live() {
        kind.scope().map_or(Ok(()), |scope| ctx.caller().require(scope))?;
    }
    let last = access.read(|tx, tenant| tx.event_last_seq(tenant)).await?;
    match after {
        None => Ok(last),
        Some(seq) if (0..=last).contains(&seq) => Ok(seq),
        Some(_) => {
            Err(Error::invalid("after", format!("must be 0 to {last}, the newest `seq`; leave it out to begin there")))
        }
    }
}

/// Listens to the live events of the caller's tenant, where `wanted` names some; `None` where it names none. To be called after
/// [`start`]. [`Wanted::takes`] narrows what is heard; [`next`] finds out whether the caller may still see it.
pub fn listen(ctx: &OpContext, wanted: &Wanted) -> Result<Option<Listener>> {
    let access = ctx.require_reaching(Action::SeeMessages)?;
    Ok(wanted.live().next().map(|_| access.services().ports.live.listen(ctx.tenant())))
}

/// A part of a feed.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In order, wanted or not: a reader must know how far it has come.
    pub events: Vec<Event>,
    /// Whether it ended at a limit, so that there may be more.
    pub more: bool,
}

/// Events of the tenant after `after`: at most `limit`, and no more than a page may hold. They are not narrowed to what was
/// wanted in [`start`]; [`Wanted::takes`] does that.
pub async fn next(ctx: &OpContext, after: i64, limit: u32) -> Result<Batch> {
    let access = ctx.require_reaching(Action::SeeMessages)?;
    let (caller, now, bytes_max) = (ctx.caller().clone(), ctx.now(), ctx.limits().page_bytes);
    let next = move |tx: &mut dyn Tx, tenant: &TenantId| {
        keys::check_still_valid(tx, &caller, now)?;
        // Sizes first: events that do not fit must not be read into memory.
        let bytes = tx.event_list_bytes(tenant, after, limit)?;
        if bytes.is_empty() {
            return Ok(Batch::default());
        }
        let fitting = page::fitting(&bytes, bytes_max);
        let more = fitting < bytes.len() || bytes.len() >= limit as usize;
        // Not more than the limit, which is a `u32`.
        let events = tx.event_list(tenant, after, u32::try_from(fitting).unwrap_or(limit))?;
        Ok(Batch { events, more })
    };
    access.read(next).await
}
