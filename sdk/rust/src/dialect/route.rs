//! One row of a dialect's table.

use serde_json::Value;

use super::{Call, Dialect, Fault};
use crate::http::Response;

/// One documented endpoint and what it is in terms of the REST core.
pub struct Route<D: 'static> {
    /// `GET`, …
    pub method: &'static str,
    /// As documented, parameters in braces.
    pub path: &'static str,
    /// Sets of headers with credentials; `None`: those of the dialect.
    pub auth: Option<&'static [&'static [&'static str]]>,
    /// Limits of `plugin.toml` it counts towards.
    pub limits: &'static [&'static str],
    /// Bytes of its body at most; 0: as many as the host allows.
    pub body_max: u32,
    /// Members of its JSON body that hold base64 and come in as uploads.
    pub uploads: &'static [&'static str],
    /// Whether a multipart body is taken.
    pub multipart: bool,
    /// Whether it answers a page for people.
    pub page: bool,
    /// What it does.
    pub action: Action<D>,
}

/// What a row does.
pub enum Action<D: 'static> {
    /// It is documented and not served yet.
    NotServed,
    /// A function.
    Run(fn(&Call<D>) -> Result<Response, Fault>),
    /// One request of the REST core.
    Core(Core),
}

/// One request of the REST core, and how its answer is told.
pub struct Core {
    /// Its method.
    pub method: &'static str,
    /// Its path; parameters in braces are those of the row.
    pub path: &'static str,
    /// What of the row's JSON body becomes the request's body.
    pub fields: &'static [Field],
    /// How the answer is shaped; `None`: it is left out.
    pub shape: Option<Shape>,
    /// Whether the answer is a list, all of whose pages are taken.
    pub lists: bool,
    /// What the document says to people.
    pub says: Option<&'static str>,
}

/// Turns what the REST core shows into what the document shows.
pub type Shape = fn(Value) -> Result<Value, Fault>;

/// A member of a body under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// As this API calls it.
    pub theirs: &'static str,
    /// As the REST core calls it.
    pub ours: &'static str,
}

/// A member that the two APIs call differently.
pub const fn field(theirs: &'static str, ours: &'static str) -> Field {
    Field { theirs, ours }
}

/// A member that both call the same.
pub const fn copied(name: &'static str) -> Field {
    Field { theirs: name, ours: name }
}

/// A row for `GET`.
pub const fn get<D>(path: &'static str) -> Route<D> {
    row("GET", path)
}

/// A row for `POST`.
pub const fn post<D>(path: &'static str) -> Route<D> {
    row("POST", path)
}

/// A row for `PUT`.
pub const fn put<D>(path: &'static str) -> Route<D> {
    row("PUT", path)
}

/// A row for `PATCH`.
pub const fn patch<D>(path: &'static str) -> Route<D> {
    row("PATCH", path)
}

/// A row for `DELETE`.
pub const fn delete<D>(path: &'static str) -> Route<D> {
    row("DELETE", path)
}

const fn row<D>(method: &'static str, path: &'static str) -> Route<D> {
    Route {
        method,
        path,
        auth: None,
        limits: &[],
        body_max: 0,
        uploads: &[],
        multipart: false,
        page: false,
        action: Action::NotServed,
    }
}

impl<D: Dialect> Route<D> {
    /// Serves everybody; nobody's credentials are looked at.
    #[must_use]
    pub const fn public(mut self) -> Self {
        self.auth = Some(&[]);
        self
    }

    /// Needs all headers of one of these sets. An empty set among them serves everybody, and tells who has credentials.
    #[must_use]
    pub const fn auth(mut self, sets: &'static [&'static [&'static str]]) -> Self {
        self.auth = Some(sets);
        self
    }

    /// Counts towards these limits of `plugin.toml`.
    #[must_use]
    pub const fn limits(mut self, names: &'static [&'static str]) -> Self {
        self.limits = names;
        self
    }

    /// Takes a body of at most so many bytes.
    #[must_use]
    pub const fn body_max(mut self, bytes: u32) -> Self {
        self.body_max = bytes;
        self
    }

    /// These members of its JSON body hold base64: they come as `{"upload": id, …}`.
    #[must_use]
    pub const fn uploads(mut self, members: &'static [&'static str]) -> Self {
        self.uploads = members;
        self
    }

    /// Takes a multipart body.
    #[must_use]
    pub const fn multipart(mut self) -> Self {
        self.multipart = true;
        self
    }

    /// Answers a page for people.
    #[must_use]
    pub const fn page(mut self) -> Self {
        self.page = true;
        self
    }

    /// Runs a function.
    #[must_use]
    pub const fn run(mut self, run: fn(&Call<D>) -> Result<Response, Fault>) -> Self {
        self.action = Action::Run(run);
        self
    }

    /// Is one request of the REST core.
    #[must_use]
    pub const fn calls(mut self, method: &'static str, path: &'static str) -> Self {
        self.action = Action::Core(Core { method, path, fields: &[], shape: None, lists: false, says: None });
        self
    }

    /// Is a list of the REST core, whole; `shape` shapes each item.
    #[must_use]
    pub const fn lists(mut self, path: &'static str, shape: Shape) -> Self {
        self.action =
            Action::Core(Core { method: "GET", path, fields: &[], shape: Some(shape), lists: true, says: None });
        self
    }

    /// The members of its body that become the request's.
    ///
    /// # Panics
    ///
    /// While compiling, on a row that is no request of the REST core.
    #[must_use]
    pub const fn body(self, fields: &'static [Field]) -> Self {
        let core = self.core();
        self.with(Core { fields, ..core })
    }

    /// How the answer is shaped.
    ///
    /// # Panics
    ///
    /// While compiling, on a row that is no request of the REST core.
    #[must_use]
    pub const fn shows(self, shape: Shape) -> Self {
        let core = self.core();
        self.with(Core { shape: Some(shape), ..core })
    }

    /// What the document says to people beside the answer.
    ///
    /// # Panics
    ///
    /// While compiling, on a row that is no request of the REST core.
    #[must_use]
    pub const fn says(self, text: &'static str) -> Self {
        let core = self.core();
        self.with(Core { says: Some(text), ..core })
    }

    const fn core(&self) -> Core {
        match &self.action {
            Action::Core(core) => Core {
                method: core.method,
                path: core.path,
                fields: core.fields,
                shape: core.shape,
                lists: core.lists,
                says: core.says,
            },
            Action::NotServed | Action::Run(_) => panic!("this belongs behind `calls` or `lists`"),
        }
    }

    const fn with(mut self, core: Core) -> Self {
        self.action = Action::Core(core);
        self
    }

    /// Whether it is served.
    pub fn is_served(&self) -> bool {
        !matches!(self.action, Action::NotServed)
    }

    /// The names of the path's parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }
}
