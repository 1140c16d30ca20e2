//! Media: which files tenants have.

use std::collections::BTreeSet;

use portico_core::error::Result;
use portico_core::id::{DeviceId, MediaId, MessageId, TenantId};
use portico_core::media::{Digest, Media, MediaOrigin, MediaUsage};
use portico_core::page::PageRequest;
use portico_core::ports::store::MediaTx;
use portico_core::time::UtcMs;

use crate::db::DbTx;
use crate::row::{self, RowRef};
use crate::statement::pieces;
use crate::table;

table! {
    /// A medium as stored.
    media: MediaRow<'r> => Media {
        id: &'r str,
        tenant_id: &'r str,
        digest: &'r str,
        bytes: i64,
        media_type: &'r str,
        file_name: Option<&'r str>,
        origin: &'r str,
        device_id: Option<&'r str>,
        message_id: Option<&'r str>,
        created_ms: i64,
        expires_ms: i64,
    }
}

statements! {
    INSERT = concat!(media!(insert), " ON CONFLICT DO NOTHING");
    FIND = media!(find);
    FIND_FETCHED = concat!(
        "SELECT ", media!(columns), " FROM media WHERE tenant_id = $1 AND device_id = $2 AND message_id = $3"
    );
    LIST = concat!(media!(page), " OFFSET $4");
    TOTAL = "SELECT COUNT(*) FROM (SELECT id FROM media WHERE tenant_id = $1 LIMIT $2) AS counted";
    USAGE = "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM media WHERE tenant_id = $1";
    KEEP =
        "UPDATE media SET expires_ms = CASE WHEN expires_ms < $3 THEN $3 ELSE expires_ms END
         WHERE tenant_id = $1 AND id = $2";
    DELETE = "DELETE FROM media WHERE tenant_id = $1 AND id = $2";
    PURGE =
        "DELETE FROM media WHERE id IN (
             SELECT id FROM media WHERE expires_ms <= $1 ORDER BY expires_ms LIMIT $2) RETURNING digest";
    /// One row for each file, however many media name it.
    USED = "SELECT DISTINCT digest FROM media WHERE digest IN ({$})";
}

impl<'r> MediaRow<'r> {
    /// `digest` is that of the medium, as text.
    fn of(media: &'r Media, digest: &'r str) -> Self {
        Self {
            id: media.id.as_str(),
            tenant_id: media.tenant.as_str(),
            digest,
            bytes: i64::try_from(media.bytes).unwrap_or(i64::MAX),
            media_type: &media.media_type,
            file_name: media.file_name.as_deref(),
            origin: media.origin.as_str(),
            device_id: media.device.as_ref().map(|d| d.as_str()),
            message_id: media.message.as_ref().map(|m| m.as_str()),
            created_ms: media.created_at.0,
            expires_ms: media.expires_at.0,
        }
    }

    fn noun(&self) -> Result<Media> {
        let at = self.at();
        Ok(Media {
            id: at.id("id", self.id)?,
            tenant: at.id("tenant_id", self.tenant_id)?,
            digest: at.id("digest", self.digest)?,
            bytes: at.number("bytes", self.bytes)?,
            media_type: self.media_type.to_owned(),
            file_name: self.file_name.map(str::to_owned),
            origin: at.name("origin", self.origin, MediaOrigin::from_name)?,
            device: at.id_option("device_id", self.device_id)?,
            message: at.id_option("message_id", self.message_id)?,
            created_at: UtcMs(self.created_ms),
            expires_at: UtcMs(self.expires_ms),
        })
    }
}

fn digest(text: &str) -> Result<Digest> {
    RowRef::new("media", text).id("digest", text)
}

impl MediaTx for DbTx<'_> {
    fn media_insert(&mut self, media: &Media) -> Result<bool> {
        let digest = media.digest.to_string();
        Ok(self.conn().run(&INSERT, 1, &table::binds(&[MediaRow::of(media, &digest)]))? > 0)
    }

    fn media_find(&mut self, tenant: &TenantId, id: &MediaId) -> Result<Option<Media>> {
        rows!(self.conn(), Media, FIND, [tenant.as_str(), id.as_str()], fetch_optional)
    }

    fn media_find_fetched(
        &mut self,
        tenant: &TenantId,
        device: &DeviceId,
        message: &MessageId,
    ) -> Result<Option<Media>> {
        let binds = (tenant.as_str(), device.as_str(), message.as_str());
        rows!(self.conn(), Media, FIND_FETCHED, [binds.0, binds.1, binds.2], fetch_optional)
    }

    fn media_list(&mut self, tenant: &TenantId, page: &PageRequest) -> Result<Vec<Media>> {
        let (before, limit, offset) = (row::cursor(page), row::page_rows(page), row::offset(page));
        rows!(self.conn(), Media, LIST, [tenant.as_str(), before, limit, offset], fetch_all)
    }

    fn media_total(&mut self, tenant: &TenantId, most: u32) -> Result<u64> {
        let (number,) = rows!(self.conn(), (i64,), TOTAL, [tenant.as_str(), i64::from(most)], fetch_one)?;
        Ok(row::count(number))
    }

    fn media_usage(&mut self, tenant: &TenantId) -> Result<MediaUsage> {
        let (files, bytes) = rows!(self.conn(), (i64, i64), USAGE, [tenant.as_str()], fetch_one)?;
        Ok(MediaUsage { files: row::count(files), bytes: row::count(bytes) })
    }

    fn media_keep(&mut self, tenant: &TenantId, id: &MediaId, until: UtcMs) -> Result<bool> {
        Ok(run!(self.conn(), KEEP, [tenant.as_str(), id.as_str(), until.0])? > 0)
    }

    fn media_delete(&mut self, tenant: &TenantId, id: &MediaId) -> Result<bool> {
        Ok(run!(self.conn(), DELETE, [tenant.as_str(), id.as_str()])? > 0)
    }

    fn media_purge(&mut self, now: UtcMs, limit: u32) -> Result<Vec<Digest>> {
        let rows = rows!(self.conn(), (String,), PURGE, [now.0, i64::from(limit)], fetch_all)?;
        rows.iter().map(|(text,)| digest(text)).collect()
    }

    fn media_used(&mut self, digests: &[Digest]) -> Result<BTreeSet<Digest>> {
        let texts: Vec<String> = digests.iter().map(ToString::to_string).collect();
        let mut used = BTreeSet::new();
        for piece in pieces(&texts) {
            for (text,) in rows_many!(self.conn(), (String,), USED, [], piece, |text| [text.as_str()])? {
                used.insert(digest(&text)?);
            }
        }
        Ok(used)
    }
}
