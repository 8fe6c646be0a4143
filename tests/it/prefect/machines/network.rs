//! Machines of their own on this one: a network namespace each, joined by a bridge, and a disk
//! each at the same path. For root, with iproute2.

use std::path::Path;
use std::process::Command;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The address of this machine on the bridge.
const HERE: &str = "10.213.77.1";

/// A bridge and what hangs on it; it is taken apart on drop.
pub struct Network {
    bridge: String,
    machines: Vec<String>,
    disks: Vec<String>,
    _ports: JoinSet<()>,
}

impl Network {
    /// A bridge with as many machines, which reach these ports of 127.0.0.1 by `address`.
    pub async fn of(machines: usize, ports: &[u16]) -> Self {
        let name = std::process::id() % 100_000;
        let bridge = format!("taxi{name}");
        ip(&["link", "add", &bridge, "type", "bridge"]);
        ip(&["addr", "add", &format!("{HERE}/24"), "dev", &bridge]);
        ip(&["link", "set", &bridge, "up"]);
        let mut forwarded = JoinSet::new();
        for &port in ports {
            let listener = TcpListener::bind((HERE, port)).await.unwrap();
            forwarded.spawn(forward(listener, port));
        }
        let mut network =
            Self { bridge, machines: Vec::new(), disks: Vec::new(), _ports: forwarded };
        for number in 0..machines {
            network.join(&format!("taxi{name}m{number}"), number);
        }
        network
    }

    fn join(&mut self, name: &str, number: usize) {
        let (ours, theirs) = (format!("{name}a"), format!("{name}b"));
        ip(&["netns", "add", name]);
        self.machines.push(name.to_owned());
        ip(&["link", "add", &ours, "type", "veth", "peer", "name", &theirs, "netns", name]);
        ip(&["link", "set", &ours, "master", &self.bridge, "up"]);
        let address = format!("10.213.77.{}/24", number + 2);
        ip(&["-n", name, "addr", "add", &address, "dev", &theirs]);
        ip(&["-n", name, "link", "set", &theirs, "up"]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
    }

    /// Gives a folder a file system of its own.
    pub fn disk(&mut self, folder: &Path) {
        let folder = folder.to_str().unwrap();
        run("mount", &["-t", "tmpfs", "-o", "size=256m", "taxi-disk", folder]);
        self.disks.push(folder.to_owned());
    }

    /// What is put before a command to run it on a machine that has `disk` at `path`.
    pub fn within(&self, machine: usize, disk: &Path, path: &Path) -> Vec<String> {
        // In a namespace of its own, `ip netns exec` leaves the mounts of others alone.
        let script = r#"mount --bind "$0" "$1" && cd "$1" && shift && exec "$@""#;
        let mut within: Vec<_> = ["ip", "netns", "exec", &self.machines[machine]].into();
        within.extend(["bash", "-c", script, disk.to_str().unwrap(), path.to_str().unwrap()]);
        within.into_iter().map(str::to_owned).collect()
    }

    /// An address of 127.0.0.1 as the machines reach it.
    pub fn reached(text: &str) -> String {
        text.replace("127.0.0.1", HERE)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.machines {
            // A namespace outlives its name as long as a connection ends in it; its cable need not.
            let _ = Command::new("ip").args(["link", "del", &format!("{name}a")]).status();
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
        for disk in &self.disks {
            let _ = Command::new("umount").args(["--lazy", disk]).status();
        }
        let _ = Command::new("ip").args(["link", "del", &self.bridge]).status();
    }
}

async fn forward(listener: TcpListener, port: u16) {
    loop {
        let Ok((mut outer, _)) = listener.accept().await else { return };
        tokio::spawn(async move {
            let mut inner = TcpStream::connect(("127.0.0.1", port)).await?;
            tokio::io::copy_bidirectional(&mut outer, &mut inner).await
        });
    }
}

fn ip(args: &[&str]) {
    run("ip", args);
}

fn run(program: &str, args: &[&str]) {
    let ran = Command::new(program).args(args).output().expect("iproute2 is installed");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{program} {args:?}: {said}(this test is for root)");
}
