//! The real binaries as processes: started, killed, watched.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running program. Killed when dropped.
pub struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// The binary with the sandbox, as `make test` leaves it.
    pub fn sandbox_build() -> PathBuf {
        built("portico-sandbox")
    }

    /// The production binary, as `make test` leaves it.
    pub fn production_build() -> PathBuf {
        built("portico-production")
    }

    /// Starts a program with arguments and extra environment. What it prints is kept, both streams together.
    ///
    /// # Panics
    /// When it can't be started.
    pub fn start(program: &PathBuf, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program);
        command.env("PORTICO_PLUGINS__COMPILED", crate::gateway::compiled());
        command.args(args).envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}; run `make test`", program.display()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let streams: [Option<Box<dyn std::io::Read + Send>>; 2] =
            [child.stdout.take().map(|s| Box::new(s) as _), child.stderr.take().map(|s| Box::new(s) as _)];
        let read = |stream: Box<dyn std::io::Read + Send>| {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    lines.lock().expect("no panic while held").push(line);
                }
            })
        };
        let readers = streams.into_iter().flatten().map(read).collect();
        Self { child, lines, readers }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        self.lines.lock().expect("no panic while held").join("\n")
    }

    /// Ends it as `kill -9` does.
    pub fn kill_9(&mut self) {
        // It may have ended by itself; then there is nothing left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop, and gives its exit code.
    ///
    /// # Panics
    /// When it has not stopped within `patience`.
    pub fn terminate(&mut self, patience: Duration) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("it runs");
        self.wait(patience)
    }

    /// Waits for its end and for the last of its output, and gives its exit code.
    ///
    /// # Panics
    /// When it has not ended within `patience`.
    pub fn wait(&mut self, patience: Duration) -> Option<i32> {
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                for reader in self.readers.drain(..) {
                    reader.join().expect("reading does not panic");
                }
                return status.code();
            }
            assert!(Instant::now() < end, "still running after {patience:?}:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_9();
    }
}

fn built(name: &str) -> PathBuf {
    let mut target = std::env::current_exe().expect("this program has a path");
    while target.file_name().is_some_and(|n| n != "target") {
        target.pop();
    }
    target.join("test-bin").join(name)
}
