//! From a core module to a component: the world is made of the hooks in the manifest, unused imports fall away, and the
//! manifest goes into a custom section at the end, and the schema of the settings into another one.

use std::path::Path;

use wasm_encoder::{CustomSection, Section};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{Resolve, SourceMap, WorldId};

use crate::PackError;
use crate::manifest::Manifest;

/// The custom section that holds the manifest's text.
pub const MANIFEST_SECTION: &str = "portico:manifest";

/// The custom section that holds the JSON Schema of the plugin's settings, if it has one.
pub const SCHEMA_SECTION: &str = "portico:settings-schema";

/// The interfaces, as they were when this packer was built.
pub const WIT: [(&str, &str); 9] = [
    ("types.wit", include_str!("../../../wit/gateway/types.wit")),
    ("log.wit", include_str!("../../../wit/gateway/log.wit")),
    ("rest.wit", include_str!("../../../wit/gateway/rest.wit")),
    ("kv.wit", include_str!("../../../wit/gateway/kv.wit")),
    ("pacing.wit", include_str!("../../../wit/gateway/pacing.wit")),
    ("webhook-format.wit", include_str!("../../../wit/gateway/webhook-format.wit")),
    ("http-handler.wit", include_str!("../../../wit/gateway/http-handler.wit")),
    ("dialect-socket.wit", include_str!("../../../wit/gateway/dialect-socket.wit")),
    ("worlds.wit", include_str!("../../../wit/gateway/worlds.wit")),
];

/// Makes a component of `module` with the manifest inside.
pub fn encode(module: &[u8], manifest: &Manifest) -> Result<Vec<u8>, PackError> {
    let wrong = |why: String| PackError::Component { plugin: manifest.id().to_owned(), why };
    let (resolve, world) = world_of(manifest.hooks()).map_err(wrong)?;
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|e| wrong(format!("{e:#}")))?;
    let mut component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .map_err(|e| wrong(format!("{e:#}")))?;
    add_section(&mut component, MANIFEST_SECTION, manifest.text.as_bytes());
    if let Some(schema) = &manifest.settings_schema {
        add_section(&mut component, SCHEMA_SECTION, schema.as_bytes());
    }
    Ok(component)
}

/// Puts a custom section at the end of a component or module.
pub fn add_section(wasm: &mut Vec<u8>, name: &str, data: &[u8]) {
    CustomSection { name: name.into(), data: data.into() }.append_to(wasm);
}

fn world_of(hooks: &[String]) -> Result<(Resolve, WorldId), String> {
    let mut text = String::from("package portico:plugin@0.1.0;\nworld packed {\n  include effects;\n");
    for hook in hooks {
        text.push_str(&format!("  export {hook};\n"));
    }
    text.push_str("}\n");
    let mut sources = SourceMap::new();
    for (name, contents) in WIT {
        sources.push(Path::new(name), contents);
    }
    sources.push(Path::new("packed.wit"), text);
    let group = sources.parse().map_err(|(_, e)| e.to_string())?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group).map_err(|e| e.to_string())?;
    let world = resolve.select_world(&[package], Some("packed")).map_err(|e| format!("{e:#}"))?;
    Ok((resolve, world))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_has_a_world() {
        let hooks = crate::manifest::HOOKS.map(str::to_owned);
        let (resolve, world) = world_of(&hooks).expect("a world");
        assert_eq!(resolve.worlds[world].exports.len(), hooks.len());
    }
}
