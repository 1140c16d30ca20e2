//! Media.

use std::collections::BTreeSet;

use portico_core::device::Device;
use portico_core::id::{MediaId, TenantId};
use portico_core::media::{Digest, Media, MediaOrigin, MediaUsage};
use portico_core::message::Direction;
use portico_core::page::PageRequest;
use portico_core::ports::store::{DeviceTx, MediaTx};
use portico_core::time::UtcMs;

use crate::testing::{Fixture, page};

/// A medium that is not stored yet, of a file whose hash is all `hash`.
fn medium(fx: &Fixture, tenant: &TenantId, hash: u8) -> Media {
    let at = fx.now();
    Media {
        id: MediaId::new(at.0, rand::random()),
        tenant: tenant.clone(),
        digest: Digest::new([hash; 32]),
        bytes: 100,
        media_type: "image/jpeg".to_owned(),
        file_name: None,
        origin: MediaOrigin::Upload,
        device: None,
        message: None,
        created_at: at,
        expires_at: at,
    }
}

async fn stored(fx: &'static Fixture, media: &Media) -> bool {
    let media = media.clone();
    fx.write(move |tx| tx.media_insert(&media).unwrap()).await
}

/// A medium of a message that is not stored yet.
fn fetched(fx: &Fixture, device: &Device, message: &portico_core::message::Message, hash: u8) -> Media {
    Media {
        origin: MediaOrigin::Incoming,
        device: Some(device.id.clone()),
        message: Some(message.id.clone()),
        ..medium(fx, &device.tenant, hash)
    }
}

pub(super) async fn a_medium_survives_the_round_trip(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let other = fx.tenant("u").await;
    let device = fx.device(tenant).await;
    let message = fx.message(device, Direction::In, "15550100002@s.whatsapp.net", "A1");
    let media = Media { file_name: Some("pier.jpg".to_owned()), ..fetched(fx, device, &message, 1) };
    let plain = medium(fx, tenant, 2);
    assert!(stored(fx, &media).await && stored(fx, &plain).await);
    fx.read(move |tx| {
        assert_eq!(tx.media_find(tenant, &media.id).unwrap().as_ref(), Some(&media));
        assert_eq!(tx.media_find(tenant, &plain.id).unwrap().as_ref(), Some(&plain));
        assert_eq!(tx.media_find_fetched(tenant, &device.id, &message.id).unwrap().as_ref(), Some(&media));
        assert!(tx.media_find(other, &media.id).unwrap().is_none(), "another tenant's");
        assert!(tx.media_find_fetched(other, &device.id, &message.id).unwrap().is_none(), "another tenant's");
        assert_eq!(tx.media_list(tenant, &page(9)).unwrap(), [plain.clone(), media.clone()]);
        let second = PageRequest { before: Some(plain.id.to_string()), ..PageRequest::first(1) };
        assert_eq!(tx.media_list(tenant, &second).unwrap(), [media]);
        assert!(tx.media_list(other, &page(9)).unwrap().is_empty());
    })
    .await;
}

pub(super) async fn a_file_is_fetched_once_for_a_message(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let message = fx.message(device, Direction::In, "15550100002@s.whatsapp.net", "A1");
    assert!(stored(fx, &fetched(fx, device, &message, 1)).await);
    assert!(!stored(fx, &fetched(fx, device, &message, 1)).await);
}

pub(super) async fn usage_counts_every_medium_of_the_tenant(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let other = fx.tenant("u").await;
    let first = medium(fx, tenant, 1);
    for media in [&first, &medium(fx, tenant, 1), &medium(fx, tenant, 2), &medium(fx, other, 1)] {
        assert!(stored(fx, media).await);
    }
    fx.undone(move |tx| {
        assert_eq!(tx.media_usage(tenant).unwrap(), MediaUsage { files: 3, bytes: 300 });
        assert!(!tx.media_delete(other, &first.id).unwrap(), "another tenant's");
        assert!(tx.media_delete(tenant, &first.id).unwrap());
        assert!(!tx.media_delete(tenant, &first.id).unwrap());
        assert_eq!(tx.media_usage(tenant).unwrap(), MediaUsage { files: 2, bytes: 200 });
        assert_eq!(tx.media_usage(&fx.tenant_unstored()).unwrap(), MediaUsage::default());
        let [one, two, three] = [1, 2, 3].map(|hash| Digest::new([hash; 32]));
        assert_eq!(tx.media_used(&[one, two, three]).unwrap(), BTreeSet::from([one, two]));
        assert!(tx.media_used(&[]).unwrap().is_empty());
    })
    .await;
}

pub(super) async fn a_medium_is_kept_longer_and_never_shorter(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let other = fx.tenant("u").await;
    let media = medium(fx, tenant, 1);
    assert!(stored(fx, &media).await);
    fx.undone(move |tx| {
        for (until, wanted) in [(media.expires_at.0 + 50, media.expires_at.0 + 50), (1, media.expires_at.0 + 50)] {
            assert!(tx.media_keep(tenant, &media.id, UtcMs(until)).unwrap());
            assert_eq!(tx.media_find(tenant, &media.id).unwrap().unwrap().expires_at, UtcMs(wanted));
        }
        assert!(!tx.media_keep(other, &media.id, UtcMs(1)).unwrap(), "another tenant's");
    })
    .await;
}

pub(super) async fn what_expired_goes_oldest_first(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let media: Vec<_> = [3, 1, 2, 9].map(|n| Media { expires_at: UtcMs(n), ..medium(fx, tenant, n as u8) }).into();
    for one in &media {
        assert!(stored(fx, one).await);
    }
    fx.undone(move |tx| {
        let purged = |tx: &mut crate::db::DbTx<'_>, limit| {
            let purged = tx.media_purge(UtcMs(3), limit).unwrap();
            purged.into_iter().collect::<BTreeSet<_>>()
        };
        assert_eq!(purged(tx, 2), BTreeSet::from([1, 2].map(|hash| Digest::new([hash; 32]))));
        assert_eq!(purged(tx, 2), BTreeSet::from([Digest::new([3; 32])]));
        assert!(purged(tx, 2).is_empty());
        assert_eq!(tx.media_list(tenant, &page(9)).unwrap().len(), 1);
    })
    .await;
}

pub(super) async fn media_of_a_device_go_with_it(fx: &'static Fixture) {
    let tenant = fx.tenant("t").await;
    let device = fx.device(tenant).await;
    let message = fx.message(device, Direction::In, "15550100002@s.whatsapp.net", "A1");
    let (of_device, plain) = (fetched(fx, device, &message, 1), medium(fx, tenant, 2));
    assert!(stored(fx, &of_device).await && stored(fx, &plain).await);
    fx.undone(move |tx| {
        assert!(tx.device_delete(tenant, &device.id).unwrap());
        assert!(tx.media_find(tenant, &of_device.id).unwrap().is_none());
        assert!(tx.media_find(tenant, &plain.id).unwrap().is_some());
    })
    .await;
}
