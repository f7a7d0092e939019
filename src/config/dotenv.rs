//! The file `.env` in the working folder: variables that the environment does not set.

use std::{
    cell::Cell,
    collections::HashSet,
    fs,
    io::{self, Read},
    path::Path,
};

/// Its path.
pub(super) const FILE: &str = ".env";

/// The variables of the file, except those that the environment sets; none if there is no such file. A folder of that name, which some
/// use for a Python environment, is ignored.
///
/// # Errors
/// When the file cannot be read, or a line of it is invalid.
pub(super) fn read(path: &Path, environment: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
    let name = path.display();
    let text = match fs::read(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {
            return Ok(vec![]);
        }
        read => read.map_err(|error| format!("cannot read {name}: {error}"))?,
    };
    let text = String::from_utf8(text).map_err(|_| format!("{name} is not text in UTF-8"))?;
    let set: HashSet<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
    let mut found = variables(&text).map_err(|line| format!("{name}, line {line}: must be like NAME=value"))?;
    found.retain(|(name, _)| !set.contains(name.as_str()));
    Ok(found)
}

/// The variables that a text sets, or the number of the invalid line. The line itself may have a secret, so it is not shown.
fn variables(text: &str) -> Result<Vec<(String, String)>, usize> {
    let count = Cell::new(0);
    let lines = Lines { rest: text.strip_prefix('\u{feff}').unwrap_or(text).as_bytes(), count: &count };
    dotenvy::from_read_iter(lines)
        .map(|variable| {
            variable.map_err(|error| match error {
                // A value in quotation marks may have several lines: all of them were read.
                dotenvy::Error::LineParse(text, _) => count.get() - text.trim_end().matches('\n').count(),
                _ => count.get(),
            })
        })
        .collect()
}

/// Hands out a line at a time, and counts them.
struct Lines<'a> {
    rest: &'a [u8],
    count: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |end| end + 1);
        let length = line.min(buffer.len());
        let (now, later) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.rest = later;
        if length > 0 && length == line {
            self.count.set(self.count.get() + 1);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_says_nothing_is_counted() {
        for (text, line) in [
            ("A=1\nnonsense\nB=2", 2),
            ("nonsense", 1),
            ("# a\n\nA=\"two\nlines\"\n= 1\n", 5),
            ("A=1\nB=\"open\nC=3\n", 2),
            ("A='open", 1),
            ("\u{feff}A=1\r\n1B=2\r\n", 2),
            ("A=1\nB=x y\n", 2),
        ] {
            assert_eq!(variables(text).unwrap_err(), line, "{text:?}");
        }
    }

    #[test]
    fn values_are_those_of_a_shell() {
        let text = "\u{feff}A=1\nexport B='x $y # z' # why\n\n# C=3\nD=\"two\nlines\"\nE=\nF=a#b\n";
        let found: Vec<String> =
            variables(text).unwrap().into_iter().map(|(name, value)| format!("{name}:{value}")).collect();
        assert_eq!(found, ["A:1", "B:x $y # z", "D:two\nlines", "E:", "F:a#b"]);
    }
}
