//! TLS with a server that has its own: what is trusted, and what a password is bound to.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use taxi_test_support::postgres::{Database, PostgresServer};

use super::libpq::{Clients, openssl};

/// Certificates and what they are signed with, as files of a folder.
struct Authorities(tempfile::TempDir);

const RSA: &str = "rsa:2048";

impl Authorities {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "[ca]\ndefault_ca = d\n[d]\ndatabase = index\ndefault_md = sha256\n\
                    policy = p\nserial = serial\nnew_certs_dir = .\n[p]\ncommonName = supplied\n";
        std::fs::write(folder.path().join("ca.cnf"), text).unwrap();
        std::fs::write(folder.path().join("serial"), "50\n").unwrap();
        std::fs::write(folder.path().join("index"), "").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Joins files into another.
    fn join(&self, name: &str, parts: &[&str]) -> PathBuf {
        let text: String = parts.iter().map(|part| self.text(part)).collect();
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A key of a kind, and a request for a certificate of a name.
    fn request(&self, file: &str, name: &str, key: &str) {
        let (kind, curve) = key.split_once(' ').unwrap_or((key, ""));
        let curve = if curve.is_empty() { String::new() } else { format!(" -pkeyopt {curve}") };
        openssl(
            self.0.path(),
            &format!(
                "req -newkey {kind}{curve} -nodes -keyout {file}.key -out {file}.csr -subj /CN={name}"
            ),
        );
    }

    /// The certificate of a request, signed by another or by itself, with some extensions.
    fn sign(&self, file: &str, by: &str, serial: u32, hash: &str, extensions: &str) {
        std::fs::write(self.path("extensions"), extensions).unwrap();
        let signer = if by == file {
            format!("-signkey {file}.key")
        } else {
            format!("-CA {by}.pem -CAkey {by}.key")
        };
        let hash = if hash.is_empty() { String::new() } else { format!(" -{hash}") };
        openssl(
            self.0.path(),
            &format!(
                "x509 -req -in {file}.csr {signer} -set_serial {serial} -days 20{hash} \
                 -extfile extensions -out {file}.pem"
            ),
        );
    }

    /// A list of what an authority has revoked.
    fn revoke(&self, file: &str, by: &str, serials: &[u32], dates: &str) {
        let mut index = String::new();
        for serial in serials {
            let _ =
                writeln!(index, "R\t400101000000Z\t250101000000Z\t{serial:04X}\tunknown\t/CN=x");
        }
        std::fs::write(self.path("index"), index).unwrap();
        openssl(
            self.0.path(),
            &format!(
                "ca -config ca.cnf -gencrl -keyfile {by}.key -cert {by}.pem {dates} -out {file}"
            ),
        );
    }
}

const AUTHORITY: &str =
    "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
const SERVER: &str = "subjectAltName=DNS:localhost\n";

/// A root, one between, and a server.
fn chain() -> Authorities {
    let all = Authorities::new();
    for (file, name, by, serial, extensions) in [
        ("root", "root", "root", 1, AUTHORITY),
        ("between", "between", "root", 2, AUTHORITY),
        ("server", "localhost", "between", 3, SERVER),
        ("other", "other", "other", 4, AUTHORITY),
    ] {
        all.request(file, name, RSA);
        all.sign(file, by, serial, "sha256", extensions);
    }
    all
}

async fn server() -> (PostgresServer, Database) {
    let server = PostgresServer::start_debian().await;
    let database = server.database().await;
    (server, database)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_are_trusted_as_psql_trusts_them() {
    let (server, database) = server().await;
    let (all, clients) = (chain(), Clients::new());
    server
        .encrypt(&(all.text("server.pem") + &all.text("between.pem")), &all.text("server.key"))
        .await;
    let agree = |connects: bool, mode: &str, roots: &Path, more: &str| {
        let (port, name, roots) = (database.port, &database.name, shown(roots));
        let text = format!(
            "host=localhost port={port} user=postgres dbname={name} sslmode={mode} sslrootcert={roots} {more}"
        );
        clients.agree(connects, &text, &[]);
    };
    let root = all.path("root.pem");
    for mode in ["verify-ca", "verify-full"] {
        agree(true, mode, &root, "");
        agree(false, mode, &all.path("other.pem"), "");
    }
    agree(false, "verify-full", &all.path("between.pem"), "");
    agree(false, "verify-ca", &all.path("server.pem"), "");
    agree(true, "verify-full", &all.join("two.pem", &["between.pem", "root.pem"]), "");
    agree(true, "require", &all.join("three.pem", &["other.pem", "root.pem"]), "");
    agree(false, "require", &all.path("between.pem"), "");
    // Without the host's name there is nothing to compare.
    let address = "hostaddr=127.0.0.1";
    agree(true, "verify-full", &root, address);
    agree(true, "verify-ca", &root, &format!("host='' {address}"));
    agree(false, "verify-full", &root, &format!("host='' {address}"));
    let (connects, said) = clients.taxi(
        &format!(
            "{address} port={} user=postgres sslmode=verify-full sslrootcert={}",
            database.port,
            shown(&root)
        ),
        &[],
    );
    assert!(!connects && said.contains("needs the host's name"), "{said}");

    // Roots that have the right key and are none.
    for (what, extensions) in [
        ("not an authority", "basicConstraints=critical,CA:FALSE\n"),
        ("says nothing of it", "nsComment=none\n"),
        ("may not sign", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\n"),
        ("too long a path", "basicConstraints=critical,CA:TRUE,pathlen:0\n"),
        ("for clients", "basicConstraints=critical,CA:TRUE\nextendedKeyUsage=clientAuth\n"),
        ("a critical extension", "basicConstraints=critical,CA:TRUE\n1.2.3.4=critical,DER:05:00\n"),
    ] {
        std::fs::copy(all.path("root.csr"), all.path("odd.csr")).unwrap();
        std::fs::copy(all.path("root.key"), all.path("odd.key")).unwrap();
        all.sign("odd", "odd", 9, "sha256", extensions);
        eprintln!("a root that is {what}");
        agree(false, "verify-ca", &all.path("odd.pem"), "");
    }
    std::fs::write(all.path("extensions"), AUTHORITY).unwrap();
    openssl(
        all.0.path(),
        "ca -config ca.cnf -batch -selfsign -keyfile root.key -in root.csr -extfile extensions \
         -startdate 20200101000000Z -enddate 20210101000000Z -notext -out expired.pem",
    );
    agree(false, "verify-full", &all.path("expired.pem"), "");
    agree(true, "verify-full", &all.join("renewed.pem", &["expired.pem", "root.pem"]), "");
    // The server's own certificates.
    for (connects, extensions) in [
        (true, "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n"),
        (true, "subjectAltName=DNS:localhost\nbasicConstraints=CA:TRUE\n"),
        (false, "subjectAltName=DNS:localhost\nkeyUsage=critical,keyCertSign,cRLSign\n"),
        (false, "subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth\n"),
        (false, "subjectAltName=DNS:localhost\n1.2.3.4=critical,DER:05:00\n"),
        (false, "subjectAltName=DNS:other\n"),
    ] {
        all.request("own", "localhost", RSA);
        all.sign("own", "own", 7, "sha256", extensions);
        server.encrypt(&all.text("own.pem"), &all.text("own.key")).await;
        eprintln!("{extensions}");
        agree(connects, "verify-full", &all.path("own.pem"), "");
        agree(false, "verify-full", &root, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_certificates_are_refused_as_psql_refuses_them() {
    let (server, database) = server().await;
    let (all, clients) = (chain(), Clients::new());
    server
        .encrypt(&(all.text("server.pem") + &all.text("between.pem")), &all.text("server.key"))
        .await;
    let base = format!(
        "host=localhost port={} user=postgres dbname={} sslmode=verify-full sslrootcert={}",
        database.port,
        database.name,
        shown(&all.path("root.pem"))
    );
    let (month, past) =
        ("-crldays 30", "-crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z");
    for (file, by, serials, dates) in [
        ("root.crl", "root", &[][..], month),
        ("root-revokes.crl", "root", &[2], month),
        ("root-itself.crl", "root", &[1], month),
        ("root-old.crl", "root", &[], past),
        ("between.crl", "between", &[99], month),
        ("between-revokes.crl", "between", &[3], month),
        ("between-old.crl", "between", &[], past),
        ("other.crl", "other", &[], month),
    ] {
        all.revoke(file, by, serials, dates);
    }
    // Signed by another key in the root's name.
    all.request("false", "root", RSA);
    all.sign("false", "false", 1, "sha256", AUTHORITY);
    all.revoke("false.crl", "false", &[], month);
    for (connects, lists) in [
        (true, &["root.crl", "between.crl"][..]),
        (true, &["between.crl", "other.crl", "root.crl", "between-old.crl"]),
        (false, &["root.crl", "between-revokes.crl"]),
        (false, &["root-revokes.crl", "between.crl"]),
        (false, &["root-itself.crl", "between.crl"]),
        (false, &["root.crl"]),
        (false, &["between.crl"]),
        (false, &["other.crl"]),
        (false, &["root-old.crl", "between.crl"]),
        (false, &["root.crl", "between-old.crl"]),
        (false, &["false.crl", "between.crl"]),
    ] {
        let file = all.join("lists.pem", lists);
        eprintln!("{lists:?}");
        clients.agree(connects, &format!("{base} sslcrl={}", shown(&file)), &[]);
        clients.agree(connects, &base, &[("PGSSLCRL", file.to_str().unwrap())]);
        // The same in a folder.
        let folder = tempfile::tempdir().unwrap();
        for (at, list) in lists.iter().enumerate() {
            std::fs::copy(all.path(list), folder.path().join(format!("{at}.pem"))).unwrap();
        }
        openssl(folder.path(), "rehash .");
        clients.agree(connects, &format!("{base} sslcrldir={}", folder.path().display()), &[]);
    }
    let empty = tempfile::tempdir().unwrap();
    clients.agree(false, &format!("{base} sslcrldir={}", empty.path().display()), &[]);
    // A certificate is looked at in a mode that does not ask for it if there is a root, and
    // not without one.
    let revoked = shown(&all.join("revoked.pem", &["root-revokes.crl", "between.crl"]));
    let require = base.replace("verify-full", "require");
    clients.agree(false, &format!("{require} sslcrl={revoked}"), &[]);
    let blind = require.split(" sslrootcert").next().unwrap();
    clients.agree(true, &format!("{blind} sslcrl={revoked}"), &[]);
    let said = clients.taxi(&format!("{base} sslcrl={revoked}"), &[]).1;
    assert!(said.contains("the certificate 'CN=between' is revoked"), "{said}");
    let said = clients.taxi(&format!("{base} sslcrl={}", shown(&all.path("root.crl"))), &[]).1;
    assert!(said.contains("no CRL of the certificate 'CN=between'"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_certificate_is_refused_before_connecting() {
    let all = chain();
    let clients = Clients::new();
    for (key, refused) in [("other", true), ("server", false)] {
        let key = all.path(&format!("{key}.key"));
        let text = format!(
            "host=127.0.0.1 port=1 user=u sslmode=require sslcert={} sslkey={}",
            shown(&all.path("server.pem")),
            shown(&key)
        );
        let (connects, said) = clients.taxi(&text, &[]);
        assert!(!connects, "{said}");
        assert_eq!(said.contains("is not the key of the certificate"), refused, "{said}");
        assert_eq!(said.contains("refused"), !refused, "{said}");
    }
}

const PASSWORD: &str = "bound";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_bound_to_the_certificate_as_psql_binds_it() {
    let (server, database) = server().await;
    let role = database.role("bound", &format!("PASSWORD '{PASSWORD}'")).await;
    server
        .admit(&format!(
            "hostssl all {role} 127.0.0.1/32 scram-sha-256\nhostnossl all {role} 127.0.0.1/32 scram-sha-256"
        ))
        .await;
    let (all, clients) = (chain(), Clients::new());
    let base = format!(
        "host=localhost port={} user={role} dbname={} password={PASSWORD}",
        database.port, database.name
    );
    for (key, by, hash) in [
        (RSA, "server", "sha256"),
        (RSA, "between", "sha384"),
        (RSA, "server", "sha512"),
        (RSA, "server", "sha1"),
        (RSA, "server", "sha224"),
        (RSA, "server", "sha256 -sigopt rsa_padding_mode:pss"),
        (RSA, "server", "sha384 -sigopt rsa_padding_mode:pss"),
        ("ec ec_paramgen_curve:P-256", "server", "sha256"),
        ("ec ec_paramgen_curve:P-384", "server", "sha384"),
        ("ec ec_paramgen_curve:P-384", "between", "sha512"),
    ] {
        all.request("server", "localhost", key);
        all.sign("server", by, 3, hash, SERVER);
        server
            .encrypt(&(all.text("server.pem") + &all.text("between.pem")), &all.text("server.key"))
            .await;
        eprintln!("{key} {by} {hash}");
        for binding in ["require", "prefer", "disable"] {
            let text = format!("{base} sslmode=require channel_binding={binding}");
            clients.agree(true, &text, &[]);
            let text = format!("{base} sslmode=disable channel_binding={binding}");
            clients.agree(binding != "require", &text, &[]);
        }
    }
}

/// How a server asks for a password, and whether it is sent when TLS has failed.
const PASSWORDS: [(&str, bool); 3] = [("scram-sha-256", true), ("md5", false), ("password", false)];

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_sent_bare_when_tls_fails() {
    let (server, database) = server().await;
    let (all, clients) = (chain(), Clients::new());
    let other = shown(&all.path("other.pem"));
    // What fails: a key of a kind that is not known here, and a root that has not signed.
    for (key, more) in
        [("ec ec_paramgen_curve:P-521", String::new()), (RSA, format!("sslrootcert={other}"))]
    {
        all.request("server", "localhost", key);
        all.sign("server", "server", 3, "sha256", SERVER);
        server.encrypt(&all.text("server.pem"), &all.text("server.key")).await;
        for (method, is_sent) in PASSWORDS {
            let role =
                database.role(&format!("{}_{}", method.replace('-', "_"), &key[..2]), "").await;
            let encryption = if method == "md5" { "md5" } else { "scram-sha-256" };
            let set = format!(
                "SET password_encryption = '{encryption}'; ALTER ROLE {role} PASSWORD '{PASSWORD}'"
            );
            database.client().await.batch_execute(&set).await.unwrap();
            server.admit(&format!("host all {role} 127.0.0.1/32 {method}")).await;
            let text = |mode: &str| {
                format!(
                    "host=localhost port={} user={role} dbname={} password={PASSWORD} sslmode={mode} {more}",
                    database.port, database.name
                )
            };
            eprintln!("{key} {method}");
            let (connects, said) = clients.taxi(&text("prefer"), &[]);
            assert_eq!(connects, is_sent, "{said}");
            assert!(is_sent || said.contains("is not sent after TLS failed"), "{said}");
            // It is what is asked for.
            for mode in ["disable", "allow"] {
                clients.agree(true, &text(mode), &[]);
            }
            let (connects, said) = clients.taxi(&text("require"), &[]);
            assert!(!connects, "{said}");
            // In the log, that it is not encrypted.
            let logged = clients.logged(&text("prefer"));
            assert_eq!(logged.contains("is not encrypted, since TLS failed"), is_sent, "{logged}");
            assert!(!logged.contains(PASSWORD), "{logged}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_refuses_tls_is_the_last_as_with_psql() {
    let (server, database) = server().await;
    let plain = PostgresServer::shared().await;
    let (all, clients) = (chain(), Clients::new());
    server
        .encrypt(&(all.text("server.pem") + &all.text("between.pem")), &all.text("server.key"))
        .await;
    let (tls, plain, name) = (database.port, plain.port(), &database.name);
    let (right, wrong) = (shown(&all.path("root.pem")), shown(&all.path("other.pem")));
    for (connects, hosts, ports, more) in [
        (false, "localhost,localhost", format!("{plain},{tls}"), "sslmode=require".to_owned()),
        (true, "localhost,localhost", format!("{tls},{plain}"), "sslmode=require".to_owned()),
        (true, "localhost,localhost", format!("1,{tls}"), "sslmode=require".to_owned()),
        (
            false,
            "127.0.0.1,localhost",
            format!("{tls},{tls}"),
            format!("sslmode=verify-full sslrootcert={right}"),
        ),
        (
            true,
            "localhost,127.0.0.1",
            format!("{tls},{tls}"),
            format!("sslmode=verify-full sslrootcert={right}"),
        ),
        (
            true,
            "localhost,localhost",
            format!("{tls},{plain}"),
            format!("sslmode=prefer sslrootcert={wrong}"),
        ),
        (
            false,
            "localhost,localhost",
            format!("{tls},{tls}"),
            format!("sslmode=verify-ca sslrootcert={wrong}"),
        ),
    ] {
        let text = format!("host={hosts} port={ports} user=postgres dbname={name} {more}");
        clients.agree(connects, &text, &[]);
    }
}
