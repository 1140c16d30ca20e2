//! The server's truth about an account's devices, for tests that look for lost messages.

use serde::Serialize;

use super::handle::Phone;

/// What the server knows of one linked device.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceReport {
    /// Its number; 0 is the phone.
    pub device: u16,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether it shows itself.
    pub available: bool,
    /// Stanzas waiting for its acknowledgement.
    pub queued: usize,
    /// Stanzas lost to the queue's limit.
    pub dropped: u64,
    /// One-time keys the server has of it.
    pub one_time_keys: usize,
    /// Messages it handed to the server.
    pub messages_in: u64,
    /// Messages queued for it.
    pub messages_out: u64,
    /// Queued stanzas it acknowledged.
    pub acknowledged: u64,
    /// Messages it asked for again.
    pub retries: u64,
    /// How often it logged in.
    pub logins: u64,
}

impl Phone {
    /// The server's view of the account's devices.
    pub fn devices(&self) -> Vec<DeviceReport> {
        self.account.with(|state| {
            let devices = state.devices.iter();
            devices
                .map(|(number, device)| DeviceReport {
                    device: *number,
                    connected: device.mailbox.is_linked(),
                    available: device.available,
                    queued: device.mailbox.len(),
                    dropped: device.mailbox.dropped,
                    one_time_keys: device
                        .companion
                        .as_ref()
                        .and_then(|companion| companion.keys.as_ref())
                        .map_or(0, |keys| keys.one_time.len()),
                    messages_in: device.counters.messages_in,
                    messages_out: device.counters.messages_out,
                    acknowledged: device.counters.acknowledged,
                    retries: device.counters.retries,
                    logins: device.counters.logins,
                })
                .collect()
        })
    }
}
