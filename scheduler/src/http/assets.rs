//! The page's files, which are part of the binary.

/// A file of the page.
#[derive(Debug)]
pub struct Asset {
    /// Its path below the page's own.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its text.
    pub body: &'static str,
}

const JS: &str = "text/javascript; charset=utf-8";

/// Every file of the page. The first is the page itself.
pub const ASSETS: &[Asset] = &[
    Asset {
        path: "",
        media_type: "text/html; charset=utf-8",
        body: include_str!("page/index.html"),
    },
    Asset {
        path: "assets/style.css",
        media_type: "text/css; charset=utf-8",
        body: include_str!("page/style.css"),
    },
    Asset {
        path: "assets/icon.svg",
        media_type: "image/svg+xml",
        body: include_str!("page/icon.svg"),
    },
    Asset {
        path: "assets/app.js",
        media_type: JS,
        body: include_str!("page/app.js"),
    },
    Asset {
        path: "assets/state.js",
        media_type: JS,
        body: include_str!("page/state.js"),
    },
    Asset {
        path: "assets/format.js",
        media_type: JS,
        body: include_str!("page/format.js"),
    },
    Asset {
        path: "assets/tip.js",
        media_type: JS,
        body: include_str!("page/tip.js"),
    },
    Asset {
        path: "assets/jobs.js",
        media_type: JS,
        body: include_str!("page/jobs.js"),
    },
    Asset {
        path: "assets/cells.js",
        media_type: JS,
        body: include_str!("page/cells.js"),
    },
    Asset {
        path: "assets/stream.js",
        media_type: JS,
        body: include_str!("page/stream.js"),
    },
    Asset {
        path: "assets/workers.js",
        media_type: JS,
        body: include_str!("page/workers.js"),
    },
    Asset {
        path: "assets/rates.js",
        media_type: JS,
        body: include_str!("page/rates.js"),
    },
    Asset {
        path: "assets/time.js",
        media_type: JS,
        body: include_str!("page/time.js"),
    },
    Asset {
        path: "assets/plan.js",
        media_type: JS,
        body: include_str!("page/plan.js"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_no_other_host_and_no_absolute_path() {
        for asset in ASSETS {
            // XML namespaces are names, not addresses that anything is fetched from.
            let text = asset.body.replace("http://www.w3.org/", "");
            for word in [
                "http://",
                "https://",
                "src=\"/",
                "href=\"/",
                "from \"/",
                "fetch(\"/",
                "fetch(`/",
                "EventSource(\"/",
            ] {
                assert!(!text.contains(word), "{} contains {word}", asset.path);
            }
        }
    }
}
