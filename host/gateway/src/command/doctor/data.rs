//! The data folder and the master key in it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use portico_store::Sealed;

use crate::config::{MasterKey, folder_exposed};

/// Whether the gateway can write there, or make it.
pub(super) fn folder(data: &Path) -> Result<String> {
    let absolute = std::path::absolute(data).with_context(|| data.display().to_string())?;
    let exists = |path: &&Path| path.symlink_metadata().is_ok();
    let Some(nearest) = absolute.ancestors().find(exists) else {
        bail!("{} can't be reached; choose another with --data", data.display());
    };
    ensure!(
        nearest.is_dir(),
        "{} is no folder, so {} can't be the data folder; choose another with --data",
        nearest.display(),
        data.display()
    );
    let unwritable = || {
        format!(
            "nothing can be written in {}; let the gateway's user write there, or choose another folder with --data",
            nearest.display()
        )
    };
    write_into(nearest).with_context(unwritable)?;
    if nearest == absolute {
        let exposed = folder_exposed(data).map(|why| format!("; {why}")).unwrap_or_default();
        return Ok(format!("{} can be written{exposed}", data.display()));
    }
    Ok(format!("{} will be made at the first start", data.display()))
}

/// Makes an empty file and removes it. Rights alone don't tell: file systems may be read-only, or no place for files.
fn write_into(folder: &Path) -> std::io::Result<()> {
    let probe: PathBuf = folder.join(format!(".portico-doctor-{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).open(&probe)?;
    fs::remove_file(&probe)
}

/// Whether it is private and the one the database was sealed with.
pub(super) fn master_key(data: &Path, sealed: Option<&Sealed>) -> Result<String> {
    if let Some(sealed) = sealed {
        MasterKey::find_or_draw(data)?.opens(&sealed.place, &sealed.value)?;
    }
    if MasterKey::find(data)?.is_none() {
        return Ok("none yet; one is made at the first start".to_owned());
    }
    let opens = if sealed.is_some() { "opens what the database holds" } else { "nothing is sealed with it yet" };
    Ok(format!("in place; {opens}. Back it up with the database"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_work_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a-plain-file");
        fs::write(&file, "").unwrap();
        for bad in [Path::new("/proc/x"), &file, &file.join("below")] {
            let error = folder(bad).unwrap_err().to_string();
            assert!(error.contains("--data"), "{}: {error}", bad.display());
        }
    }

    #[test]
    fn a_good_folder_is_left_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        assert!(folder(home.path()).unwrap().contains("can be written"));
        assert!(folder(&home.path().join("new/deeper")).unwrap().contains("will be made"));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
