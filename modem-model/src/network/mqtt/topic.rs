//! Topic names and filters (section 4.7).

/// Whether a topic name may be published to: not empty, no wildcard, no U+0000.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['+', '#', '\0'])
}

/// Whether a topic filter may be subscribed to: `+` and `#` stand for whole levels, `#` for the last ones.
pub fn is_filter(filter: &str) -> bool {
    if filter.is_empty() || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        match level {
            "+" => {}
            "#" if is_last => {}
            _ if level.contains(['+', '#']) => return false,
            _ => {}
        }
    }
    true
}

/// Whether a filter matches a name. Wildcards at the start leave out the names that begin with `$` (section 4.7.2).
pub fn matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = name.split('/');
    for wanted in filter.split('/') {
        // `a/#` matches `a` itself, too.
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_standard() {
        let tennis = "sport/tennis/player1";
        for (filter, name, expected) in [
            ("sport/tennis/player1/#", tennis, true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("#", "a/b", true),
            ("sport/tennis/+", tennis, true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("#", "$SYS/uptime", false),
            ("+/monitor/Clients", "$SYS/monitor/Clients", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
            ("ACCOUNTS", "Accounts", false),
        ] {
            assert_eq!(matches(filter, name), expected, "{filter} {name}");
        }
        for filter in ["#", "+", "sport/tennis/#", "+/tennis/#", "sport/+/player1", "/", "//", "a b"] {
            assert!(is_filter(filter), "{filter}");
        }
        for filter in ["", "sport/tennis#", "sport/tennis/#/ranking", "sport+", "+a", "a/+b", "##", "a\0"] {
            assert!(!is_filter(filter), "{filter}");
        }
        for (name, expected) in [("a", true), ("/", true), ("$SYS", true), ("", false), ("a/+", false), ("#", false)] {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }

    proptest! {
        /// A name is a filter that matches it; so is the name with any levels replaced by `+`, or its end by `#`.
        #[test]
        fn a_generalised_name_matches(levels in prop::collection::vec(("[a-c]{0,2}", any::<bool>()), 1..6), cut in 0usize..7) {
            let name = levels.iter().map(|(level, _)| level.as_str()).collect::<Vec<_>>().join("/");
            prop_assume!(is_name(&name));
            prop_assert!(matches(&name, &name));
            let mut filter: Vec<&str> = levels.iter().map(|(level, any)| if *any { "+" } else { level }).collect();
            if cut < filter.len() {
                filter.truncate(cut);
                filter.push("#");
            }
            let filter = filter.join("/");
            prop_assert!(is_filter(&filter) && matches(&filter, &name), "{} {}", filter, name);
        }

        #[test]
        fn a_name_is_a_filter_for_itself(text: String, other: String) {
            prop_assert!(!is_name(&text) || (is_filter(&text) && matches(&text, &text)));
            prop_assert!(!is_name(&other) || other == text || !is_name(&text) || !matches(&text, &other));
        }
    }
}
