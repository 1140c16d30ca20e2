//! Keeping the world over a restart: one snapshot file, replaced atomically.
//!
//! Written a moment after a change ([`Limits::snapshot_delay`](crate::Limits::snapshot_delay)) and on shutdown: to a
//! temporary file, synced, renamed over the old one. A crash loses what came after the last writing. Media, events, presence and
//! open pairings are not kept. Invariant: the file is readable by its owner only, since it holds private keys.

mod world;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::network::Network;
use crate::trust::Trust;
use crate::{Error, Limits};
use world::World;

/// The snapshot's name in the data folder.
const FILE: &str = "world.json";
/// After a snapshot the writer waits this many times as long as writing took, so that snapshots never take most of the CPU.
const REST_FACTOR: u32 = 4;

/// The data folder.
pub(crate) struct Store {
    folder: PathBuf,
    /// Two snapshots must not write the same temporary file.
    writing: tokio::sync::Mutex<()>,
}

impl Store {
    /// Takes a folder, creating it when needed.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Error> {
        fs::create_dir_all(&folder).map_err(|source| Error::Data { path: folder.clone(), source })?;
        Ok(Self { folder, writing: tokio::sync::Mutex::new(()) })
    }

    /// The state in the snapshot, or a new one. A new one is saved at once, so that its keys survive a crash.
    pub(crate) fn load(&self, limits: Limits) -> Result<Arc<Network>, Error> {
        let path = self.folder.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                let network = Network::new(limits, Trust::generate()?);
                self.write(&World::of(&network)).map_err(|source| Error::Data { path, source })?;
                return Ok(network);
            }
            Err(source) => return Err(Error::Data { path, source }),
        };
        let mut world: World = serde_json::from_reader(BufReader::new(file))
            .map_err(|source| Error::Snapshot { path: path.clone(), source })?;
        // From here on the kept sessions fall behind, until a shutdown says otherwise.
        let finished = world.begin();
        self.write(&world).map_err(|source| Error::Data { path, source })?;
        world.into_network(limits, finished)
    }

    /// Saves after each change until the sandbox stops.
    pub(crate) async fn keep_saving(self: Arc<Self>, network: Arc<Network>) {
        loop {
            tokio::select! {
                () = network.stop.cancelled() => return,
                () = network.changed.notified() => {}
            }
            let began = Instant::now();
            tokio::select! {
                () = network.stop.cancelled() => return,
                () = tokio::time::sleep(network.limits.snapshot_delay) => {}
            }
            let writing = Instant::now();
            self.save_logged(&network).await;
            let rest = (writing.elapsed() * REST_FACTOR).saturating_sub(began.elapsed());
            tokio::select! {
                () = network.stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Saves, logging a failure: the next change tries again.
    pub(crate) async fn save_logged(self: &Arc<Self>, network: &Arc<Network>) {
        let _one = self.writing.lock().await;
        network.take_dirty();
        let (store, world) = (Arc::clone(self), Arc::clone(network));
        let saved = tokio::task::spawn_blocking(move || store.write(&World::of(&world))).await;
        match saved {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "sandbox snapshot could not be written"),
            Err(error) => tracing::error!(%error, "sandbox snapshot panicked"),
        }
    }

    fn write(&self, world: &World) -> io::Result<()> {
        let temporary = self.folder.join(format!("{FILE}.tmp"));
        let mut writer = BufWriter::new(create_private(&temporary)?);
        serde_json::to_writer(&mut writer, world)?;
        writer.flush()?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, self.folder.join(FILE))?;
        // The rename itself has to survive a power cut.
        File::open(&self.folder)?.sync_all()
    }
}

fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
