//! What sessions report about groups, as events. Nothing else is stored: the group itself is asked for when it is wanted.

use crate::context::Write;
use crate::device::Device;
use crate::error::Result;
use crate::event::{NewEvent, raise};
use crate::model::group::GroupUpdate;

/// Raises the events. One that was raised before is passed over.
pub(crate) fn record(tx: &mut Write<'_>, device: &Device, updates: &[GroupUpdate]) -> Result<()> {
    let events = updates.iter().map(|update| NewEvent::group(device, update)).collect::<Result<Vec<_>>>()?;
    raise::all(tx, &events).map(drop)
}
