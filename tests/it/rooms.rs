//! The rooms of CONTRIBUTING.md: imports run one way.

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../CONTRIBUTING.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The rooms from the top, those of one line together.
fn rooms() -> Vec<Vec<&'static str>> {
    let (_, page) = PAGE.split_once("\n## The rooms\n").unwrap();
    let page = page.split("\n## ").next().unwrap();
    let lines = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rooms = lines.map(|line| {
        let cell = line.split('|').next().unwrap();
        cell.split('`').filter(|word| word.contains('/')).collect()
    });
    rooms.collect()
}

/// The name of a room as imports have it.
fn name(room: &str) -> &str {
    room.trim_start_matches("src/").trim_end_matches('/').trim_end_matches(".rs")
}

fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_owned());
    } else {
        for entry in fs::read_dir(path).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    }
}

/// The rooms that a file imports from, its tests left out.
fn imports(text: &str) -> Vec<&str> {
    let text = text.split("#[cfg(test)]").next().unwrap();
    let after = text.split("crate::").skip(1);
    after
        .flat_map(|rest| {
            let end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            match rest.strip_prefix('{') {
                Some(list) => {
                    let list = list.split(';').next().unwrap();
                    list.split(['{', ',']).filter_map(|it| it.trim().split(end).next()).collect()
                }
                None => rest.split(end).next().into_iter().collect::<Vec<_>>(),
            }
        })
        .collect()
}

#[test]
fn a_room_knows_those_below_it_and_none_above_or_beside() {
    let rooms = rooms();
    assert!(rooms.len() > 10, "{rooms:?}");
    for entry in fs::read_dir(Path::new(ROOT).join("src")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = rooms.iter().flatten().any(|room| name(room) == stem);
        assert!(known || ["lib", "main"].contains(&stem.as_str()), "{} is no room", path.display());
    }
    for (at, line) in rooms.iter().enumerate() {
        let above: Vec<&str> = rooms[..=at].iter().flatten().map(|room| name(room)).collect();
        for room in line {
            let mut files = Vec::new();
            sources(&Path::new(ROOT).join(room), &mut files);
            for file in files {
                let text = fs::read_to_string(&file).unwrap();
                for import in imports(&text) {
                    let wrong = import != name(room) && above.contains(&import);
                    assert!(!wrong, "{} imports {import}", file.display());
                }
            }
        }
    }
}
