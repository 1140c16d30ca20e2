//! Sessions of devices: the connection to WhatsApp, pairing, and what a session costs.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::address::PhoneNumber;
use crate::error::Result;
use crate::id::DeviceId;
use crate::model::device::Device;
use crate::time::UtcMs;

/// How long ending a session may take.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for a device lock: somewhat longer than the slowest logout takes.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(12);

/// A QR code to scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrCode {
    /// The text the code encodes. A secret: whoever scans it first owns the device.
    pub text: String,
    /// When WhatsApp stops accepting it.
    pub expires_at: UtcMs,
}

/// A code to type on the phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingCode {
    /// Eight characters.
    pub code: String,
    /// When WhatsApp stops accepting it.
    pub expires_at: UtcMs,
}

/// Counters and memory of one session.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// Frames received since the session began.
    pub frames_in: u64,
    /// Frames sent since the session began.
    pub frames_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// How often the connection was made again.
    pub reconnects: u64,
    /// When the last frame came.
    pub last_frame_at: Option<UtcMs>,
    /// Messages that could not be decrypted.
    pub undecryptable: u64,
    /// An estimate of the memory the session's caches hold, in bytes.
    pub memory_bytes: Option<u64>,
}

/// The right to start and stop one device's session. Dropping it gives the right back.
pub struct DeviceLock(#[expect(dead_code, reason = "held only to be dropped")] Box<dyn Send + Sync>);

impl DeviceLock {
    /// A lock that is released by dropping `guard`.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

/// All sessions of this process. Every call may be repeated safely.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Waits until nobody else starts or stops the device's session, at most [`LOCK_TIMEOUT`].
    ///
    /// Acquire it before choosing between start and stop, so that decisions take effect in the order they were made. `Busy`
    /// when the wait is too long or too many callers wait already.
    async fn lock(&self, device: &DeviceId) -> Result<DeviceLock>;

    /// Starts the device's session: resumes when its keys are stored, else pairs. Returns once the session's task runs; what
    /// happens afterwards is reported to the [`super::Inbox`].
    async fn open(&self, device: &Device) -> Result<()>;

    /// Ends the device's session and waits for its end, at most [`CLOSE_TIMEOUT`].
    async fn close(&self, device: &DeviceId) -> Result<()>;

    /// Unlinks the device at WhatsApp (best effort), ends the session and removes its keys.
    async fn logout(&self, device: &DeviceId) -> Result<()>;

    /// The QR code to scan now; `None` when the device is not waiting for a scan.
    fn qr(&self, device: &DeviceId) -> Option<QrCode>;

    /// Asks WhatsApp for a code to type on the phone with this number.
    async fn pairing_code(&self, device: &DeviceId, phone: &PhoneNumber) -> Result<PairingCode>;

    /// Counters of the running session; `None` when none runs.
    fn resources(&self, device: &DeviceId) -> Option<Resources>;
}
