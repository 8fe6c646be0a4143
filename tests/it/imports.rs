//! Imports run one way: a room of the library knows those below it and none above, and inside a
//! room no files import one another in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The page that lists the rooms, from the top.
const PAGE: &str = include_str!("../../CONTRIBUTING.md");

/// The circles of files that are left, each with all its files. None may be added, and one that
/// is undone is taken out of this list.
const KNOWN_CIRCLES: &[&[&str]] = &[];

/// A file of Rust and the module it is.
struct File {
    /// From the project's folder, with forward slashes.
    path: String,
    /// `["lake", "error"]` for `src/lake/error.rs`, `["lake"]` for `src/lake/mod.rs`.
    module: Vec<String>,
    tokens: Vec<String>,
}

/// A path in a file, from the root of the library.
struct Reference {
    to: Vec<String>,
    /// Whether it is a re-export: a name passed on, not used.
    passes_on: bool,
    /// Whether it is in a module of unit tests.
    in_tests: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<File> {
    let mut paths = Vec::new();
    for folder in ["src", "flows"] {
        rust_files(&root().join(folder), &mut paths);
    }
    paths.sort();
    let files = paths.into_iter().map(|path| {
        let shown = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        File { module: module_of(&shown), tokens: tokens(&code(&text)), path: shown }
    });
    files.collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|name| name == "mod" || name == "main") || module == ["lib"] {
        module.pop();
    }
    module
}

/// A text of Rust without its comments, strings and characters.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let starts = |at: usize, with: &str| bytes[at..].starts_with(with.as_bytes());
    let mut code = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        if starts(at, "//") {
            at += text[at..].find('\n').unwrap_or(text.len() - at);
        } else if starts(at, "/*") {
            let mut depth = 0;
            loop {
                match (starts(at, "/*"), starts(at, "*/")) {
                    (true, _) => (depth, at) = (depth + 1, at + 2),
                    (_, true) => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if let Some(hashes) = raw_string(&text[at..]).filter(|_| !in_word) {
            let begin = at + text[at..].find('"').unwrap() + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            at = begin + text[begin..].find(&end).unwrap() + end.len();
        } else if bytes[at] == b'"' {
            at += 1;
            while bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at += 1;
        } else if let Some(length) = character(&text[at..]) {
            at += length;
        } else {
            code.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(code).unwrap()
}

/// How many `#` a raw string that begins here has.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// The length of a character that begins here; `None` for a lifetime and all else.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    if first == '\\' {
        return inner[2..].find('\'').map(|end| end + 4);
    }
    let end = first.len_utf8();
    inner[end..].starts_with('\'').then_some(end + 2)
}

/// Words, `::` and single other characters.
fn tokens(code: &str) -> Vec<String> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if word(first) {
            rest.find(|c| !word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The paths in a file that begin with `crate`, `super`, `self`, the library's name, or a module
/// of the file's own.
fn references(file: &File, modules: &BTreeSet<Vec<String>>) -> Vec<Reference> {
    let tokens: Vec<&str> = file.tokens.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    // The modules inside the file, each with the depth of braces that it ends at.
    let mut inner: Vec<usize> = Vec::new();
    let mut in_tests = false;
    let mut depth = 0;
    let mut passes_on = false;
    let mut in_use = false;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "{" => {
                if at >= 2 && tokens[at - 2] == "mod" {
                    inner.push(depth);
                    in_tests |= tokens[..at - 2].ends_with(&["cfg", "(", "test", ")", "]"]);
                }
                depth += 1;
            }
            "}" => {
                depth -= 1;
                if inner.last() == Some(&depth) {
                    inner.pop();
                    in_tests &= !inner.is_empty();
                }
            }
            "use" => {
                in_use = true;
                passes_on = at > 0 && [")", "pub"].contains(&tokens[at - 1]);
            }
            ";" => (in_use, passes_on) = (false, false),
            _ => {}
        }
        // `pub(in crate::a)` names who may see, not what is used.
        let begins = tokens.get(at + 1) == Some(&"::")
            && (at == 0 || !["::", "in"].contains(&tokens[at - 1]));
        if !begins {
            continue;
        }
        let in_flows = file.module.first().is_some_and(|room| room == "flows");
        let mut base = file.module.clone();
        let start = match *token {
            "crate" => {
                let own = ["flows".to_owned(), tokens[at + 2].to_owned()];
                base =
                    if in_flows && modules.contains(&own[..]) { own[..1].to_vec() } else { vec![] };
                at + 2
            }
            "nyc_taxi_etl" => {
                base.clear();
                at + 2
            }
            "self" => at + 2,
            "super" => {
                let mut at = at;
                let mut up = 0;
                while tokens[at] == "super" && tokens[at + 1] == "::" {
                    (up, at) = (up + 1, at + 2);
                }
                let up = up - inner.len().min(up);
                base.truncate(base.len() - up);
                at
            }
            name if inner.is_empty() => {
                base.push(name.to_owned());
                // In a group, only what begins an entry can be a module.
                if !modules.contains(&base) {
                    continue;
                }
                base.pop();
                at
            }
            _ => continue,
        };
        let mut paths = Vec::new();
        leaves(&tokens, start, &base, &mut paths);
        let passes_on = in_use && passes_on;
        found.extend(paths.into_iter().map(|to| Reference { to, passes_on, in_tests }));
    }
    found
}

/// The paths of a tree such as `a::{b, c::{d, e}}`; gives where it ends.
fn leaves(tokens: &[&str], start: usize, base: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = base.to_vec();
    let mut at = start;
    loop {
        if tokens[at] == "{" {
            at += 1;
            while tokens[at] != "}" {
                at = leaves(tokens, at, &path, found);
                if tokens[at] == "as" {
                    at += 2;
                }
                if tokens[at] == "," {
                    at += 1;
                }
            }
            return at + 1;
        }
        if tokens[at] != "self" {
            path.push(tokens[at].to_owned());
        }
        at += 1;
        if tokens.get(at) != Some(&"::") || tokens.get(at + 1) == Some(&"<") {
            found.push(path);
            return at;
        }
        at += 1;
    }
}

/// All files with their references, and what passes names on.
struct Library {
    files: Vec<File>,
    modules: BTreeSet<Vec<String>>,
    references: Vec<Vec<Reference>>,
    /// Where a name of a module comes from: `lake::LakeError` from `lake::error::LakeError`.
    passed_on: BTreeMap<Vec<String>, Vec<String>>,
}

impl Library {
    fn read() -> Self {
        let files = files();
        let modules: BTreeSet<_> = files.iter().map(|file| file.module.clone()).collect();
        let references: Vec<_> = files.iter().map(|file| references(file, &modules)).collect();
        let mut passed_on = BTreeMap::new();
        for (file, references) in files.iter().zip(&references) {
            for reference in references.iter().filter(|reference| reference.passes_on) {
                let mut name = file.module.clone();
                name.push(reference.to.last().unwrap().clone());
                if name != reference.to {
                    passed_on.insert(name, reference.to.clone());
                }
            }
        }
        Self { files, modules, references, passed_on }
    }

    /// The module in which what a path names is written.
    fn home(&self, path: &[String]) -> Vec<String> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let known =
                (1..=path.len()).find_map(|end| Some((end, self.passed_on.get(&path[..end])?)));
            let Some((end, from)) = known else { break };
            path = from.iter().chain(&path[end..]).cloned().collect();
        }
        while !path.is_empty() && !self.modules.contains(&path) {
            path.pop();
        }
        path
    }

    /// Which files each file imports, by their paths; its tests may import any.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let file_of: BTreeMap<_, _> =
            self.files.iter().map(|file| (file.module.clone(), file.path.as_str())).collect();
        let imports = self.files.iter().zip(&self.references).map(|(file, references)| {
            let used = references.iter().filter(|it| !it.passes_on && !it.in_tests);
            let mut used: BTreeSet<&str> = used
                .filter_map(|reference| file_of.get(&self.home(&reference.to)).copied())
                .collect();
            used.remove(file.path.as_str());
            (file.path.as_str(), used)
        });
        imports.collect()
    }
}

/// The floor of a room, counted from the ground.
/// The rooms from the ground floor up. Those of one line stand side by side and do not know one
/// another. `flows` is the folder of that name; all others are in `src/`.
fn rooms() -> Vec<Vec<&'static str>> {
    let (_, page) = PAGE
        .split_once(
            "
## The rooms
",
        )
        .expect("the page has the rooms");
    let page = page
        .split(
            "
## ",
        )
        .next()
        .unwrap();
    let lines = page.lines().rev().filter_map(|line| line.strip_prefix("| `"));
    let named = |word: &&str| word.contains('/');
    let name = |room: &'static str| {
        room.trim_start_matches("src/").trim_end_matches('/').trim_end_matches(".rs")
    };
    let rooms = lines.map(|line| {
        line.split('|').next().unwrap().split('`').filter(named).map(name).collect::<Vec<_>>()
    });
    rooms.collect()
}

/// Which floor a room is on, from the ground.
fn floor(room: &str) -> Option<usize> {
    static ROOMS: LazyLock<Vec<Vec<&str>>> = LazyLock::new(rooms);
    assert!(ROOMS.len() > 10, "{:?}", *ROOMS);
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn a_room_imports_only_rooms_below_it() {
    let library = Library::read();
    let mut wrong = BTreeSet::new();
    for (file, references) in library.files.iter().zip(&library.references) {
        // The library's own file names every room.
        let Some(room) = file.module.first() else { continue };
        let Some(own) = floor(room) else {
            wrong.insert(format!(
                "the room {room} is not in the table of CONTRIBUTING.md: give it a place"
            ));
            continue;
        };
        for reference in references {
            let to = &reference.to[0];
            let below = floor(to).is_some_and(|floor| floor < own);
            if to != room && library.modules.contains(&reference.to[..1]) && !below {
                wrong.insert(format!(
                    "{} imports {}: {room} must not know {to}, which is not below it",
                    file.path,
                    reference.to.join("::")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", Vec::from_iter(wrong).join("\n"));
    let edges: usize = library.imports().values().map(BTreeSet::len).sum();
    assert!(edges > 400, "only {edges} imports were found: the test reads the files wrongly");
}

#[test]
fn no_files_of_a_room_import_one_another_in_a_circle() {
    let library = Library::read();
    let imports = library.imports();
    let reached: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|&from| {
            let mut reached = BTreeSet::new();
            let mut next: Vec<&str> = imports[from].iter().copied().collect();
            while let Some(file) = next.pop() {
                if reached.insert(file) {
                    next.extend(&imports[file]);
                }
            }
            (from, reached)
        })
        .collect();
    let circles: BTreeSet<Vec<&str>> = imports
        .keys()
        .filter(|&file| reached[file].contains(file))
        .map(|&file| {
            let around = reached[file].iter().filter(|other| reached[*other].contains(file));
            around.copied().collect()
        })
        .collect();
    let known: BTreeSet<Vec<&str>> = KNOWN_CIRCLES.iter().map(|circle| circle.to_vec()).collect();
    let shown = |circle: &Vec<&str>| {
        let edges = circle.iter().map(|file| {
            let into = imports[file].iter().filter(|other| circle.contains(other));
            format!("  {file} -> {}", into.copied().collect::<Vec<_>>().join(", "))
        });
        edges.collect::<Vec<_>>().join("\n")
    };
    let new: Vec<_> = circles.difference(&known).map(shown).collect();
    assert!(new.is_empty(), "files import one another in a circle:\n{}", new.join("\n\n"));
    let undone: Vec<_> = known.difference(&circles).collect();
    assert!(undone.is_empty(), "no circles any more, take them out of the list: {undone:?}");
}

#[test]
fn what_is_not_code_is_no_import() {
    let text = r##"
        // crate::a
        /* crate::b /* nested */ crate::c */
        const A: &str = "crate::d \" crate::e";
        const B: &str = r#"crate::f " "#;
        const C: (char, &'static str) = ('"', br"crate::g");
        use crate::{lake::{LakeError, store as kept}, trip};
        fn f<'a>(x: &'a str) -> char { crate::flow::run(x); '\'' }
    "##;
    let file = File {
        path: String::new(),
        module: vec!["settings".to_owned()],
        tokens: tokens(&code(text)),
    };
    let found = references(&file, &BTreeSet::new());
    let found: Vec<String> = found.iter().map(|reference| reference.to.join("::")).collect();
    assert_eq!(found, ["lake::LakeError", "lake::store", "trip", "flow::run"]);
}
