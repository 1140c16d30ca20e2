//! The device's own record: its keys, its account, the client version it claims.

use async_trait::async_trait;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore::store::error::Result;
use whatsapp_rust::wacore::store::traits::DeviceStore;

use super::{Backend, ONLY, kind};

/// The library numbers the devices of a store; here a store has one.
const DEVICE_NUMBER: i32 = 1;

impl Backend {
    /// Makes the next connection ask WhatsApp for the client version again.
    pub(crate) async fn forget_version(&self) -> Result<()> {
        let Some(mut device) = self.load().await? else {
            return Ok(());
        };
        device.app_version_last_fetched_ms = 0;
        self.save(&device).await
    }
}

#[async_trait]
impl DeviceStore for Backend {
    async fn save(&self, device: &Device) -> Result<()> {
        self.write(vec![self.put_json(kind::DEVICE, ONLY, device)?]).await
    }

    async fn load(&self) -> Result<Option<Device>> {
        self.read_json(kind::DEVICE, ONLY).await
    }

    async fn exists(&self) -> Result<bool> {
        Ok(!self.list_ids(kind::DEVICE, ONLY).await?.is_empty())
    }

    async fn create(&self) -> Result<i32> {
        self.save(&Device::new()).await?;
        Ok(DEVICE_NUMBER)
    }
}
