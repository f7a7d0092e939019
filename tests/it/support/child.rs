//! Programs that the tests start, and that end with the tests, however those end.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// Tells the program's process id, and ends it when its own standard input ends, which it does with the process that holds the
/// other end.
const WATCHING_SHELL: &str = r#"
"$@" >/dev/null & program=$!
echo "$program"
read -r _
kill -KILL "$program"
"#;

/// A program that runs for as long as this value.
pub(crate) struct Kept {
    shell: Child,
    pid: Pid,
}

impl Kept {
    pub(crate) fn run(program: &str, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", WATCHING_SHELL, "sh", program])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("piped")).read_line(&mut line).expect("the shell tells");
        let pid = Pid::from_raw(line.trim().parse().expect("a process id"));
        Self { shell, pid }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("it runs");
    }

    /// Ends it at once.
    pub(crate) fn end(&mut self) {
        let _ = self.shell.stdin.take();
        let _ = self.shell.wait();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.end();
    }
}
