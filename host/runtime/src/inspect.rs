//! Reads a component without compiling it: whether it is one, its imports and exports, its manifest and the schema of its settings.

use wasmparser::{Encoding, Parser, Payload};

use crate::load::LoadError;
use crate::manifest::{SCHEMA_SECTION, SECTION};

/// Imports, exports and manifest of a component.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) manifest: Option<String>,
    pub(crate) schema: Option<Vec<u8>>,
}

/// Reads the outermost level of a component.
pub(crate) fn component(bytes: &[u8]) -> Result<Facts, LoadError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm);
    }
    if !Parser::is_component(bytes) {
        return Err(LoadError::NotComponent);
    }
    let malformed = |e: wasmparser::BinaryReaderError| LoadError::Malformed(e.to_string());
    let mut facts = Facts::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Component | Encoding::Module, .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    facts.imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    facts.exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            // It may come after the component's own end, where a packer appends it.
            Payload::CustomSection(section) if depth <= 1 && section.name() == SECTION => {
                let text = String::from_utf8(section.data().to_vec())
                    .map_err(|_| LoadError::Manifest("it is not UTF-8 text".into()))?;
                if facts.manifest.replace(text).is_some() {
                    return Err(LoadError::Manifest("there are two; build the plugin anew with portico-pack".into()));
                }
            }
            Payload::CustomSection(section) if depth <= 1 && section.name() == SCHEMA_SECTION => {
                facts.schema = Some(section.data().to_vec());
            }
            _ => {}
        }
    }
    Ok(facts)
}
