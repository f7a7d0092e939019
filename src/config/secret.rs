//! Secrets, and the generated secret key of development.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rand::Rng;
use serde::{Deserialize, Serialize, Serializer};

use super::create_folder;

/// Random bytes in a generated key; written as twice as many hexadecimal digits.
const GENERATED_BYTES: usize = 32;

/// A text that no log and no printed configuration shows.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the key in `file`; if there is none, makes one that only this user may read.
    ///
    /// # Errors
    /// When the file can neither be read nor written, or is empty.
    pub fn load_or_create(file: &Path) -> io::Result<Self> {
        match fs::read_to_string(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(file)?,
            other => return not_empty(&other?),
        }
        // Another process may have been first: what the file says counts.
        not_empty(&fs::read_to_string(file)?)
    }
}

fn not_empty(text: &str) -> io::Result<Secret> {
    let text = text.trim();
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
    }
    Ok(Secret(text.to_owned()))
}

/// Writes a new key to a temporary file and links it to `file`: so `file` always has a whole key, and of two processes that start
/// together one wins.
fn create(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    create_folder(folder)?;
    let draft = folder.join(format!(".secret_key.{}", std::process::id()));
    let mut random = [0_u8; GENERATED_BYTES];
    rand::rng().fill_bytes(&mut random);
    let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();

    let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).and_then(
        |mut draft| {
            writeln!(draft, "{key}")?;
            draft.sync_all()
        },
    );
    let linked = written.and_then(|()| match fs::hard_link(&draft, file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let _ = fs::remove_file(&draft);
    linked
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "\"***\"" })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "***" })
    }
}

/// A database address, shown without the password it may hold.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The address itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing was set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the database is called: the last part of its address.
    #[must_use]
    pub fn name(&self) -> String {
        let path = self.0.split('?').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

impl From<String> for DatabaseUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.split_once("://").and_then(|(scheme, rest)| {
            // A password may hold an `@` that nobody escaped: the last one before the path ends it.
            let authority = rest.split(['/', '?']).next().unwrap_or(rest);
            let (login, _) = authority.rsplit_once('@').or_else(|| rest.rsplit_once('@'))?;
            let (user, _) = login.split_once(':')?;
            Some(format!("{scheme}://{user}:***{}", &rest[login.len()..]))
        });
        let shown = shown.unwrap_or_else(|| self.0.clone());
        // PostgreSQL also takes the password as a parameter.
        match shown.split_once("password=") {
            Some((before, after)) => {
                let rest = after.find('&').map_or("", |end| &after[end..]);
                write!(f, "{before}password=***{rest}")
            }
            None => f.write_str(&shown),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_generated_key_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/secret_key");
        let first = Secret::load_or_create(&file).unwrap();
        assert_eq!(first.expose().len(), 2 * GENERATED_BYTES);
        assert_eq!(Secret::load_or_create(&file).unwrap(), first);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn an_empty_key_file_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Secret::load_or_create(file.path()).is_err());
    }

    #[test]
    fn a_database_address_hides_its_password() {
        for (url, shown) in [
            ("postgres://ada:pa:ss@db/parlour", "postgres://ada:***@db/parlour"),
            ("postgres://ada:p@ss@db/parlour", "postgres://ada:***@db/parlour"),
            ("postgres://ada:p/ss@db/parlour", "postgres://ada:***@db/parlour"),
            ("postgres://ada@db/parlour", "postgres://ada@db/parlour"),
            ("postgres://db/parlour?user=ada&password=x&a=b", "postgres://db/parlour?user=ada&password=***&a=b"),
            ("sqlite://./data/parlour.db", "sqlite://./data/parlour.db"),
        ] {
            assert_eq!(DatabaseUrl(url.to_owned()).to_string(), shown);
        }
    }
}
