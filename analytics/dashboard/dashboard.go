// Package dashboard serves pages that show what the HTTP API tells: static files
// in the binary, without a build step and without anything from elsewhere. All
// figures come from the API, asked by the browser: this package knows none.
//
// The pages are one document (assets/index.html) with a route after the #, so
// that neither a campaign nor a recipient is ever in a URL that a server sees.
// assets/main.js chooses the page of assets/pages; assets/panel.js is the one
// place that loads, shows progress, and says "unknown" where an answer failed.
package dashboard

import (
	"net/http"
	"strings"
)

// policy lets the browser run and load what is served from here, and nothing
// else: no inline script or style, no eval, no other host. With trusted types no
// text can become markup, whatever a campaign is called.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Prefix is the path below which the files of the pages are.
const Prefix = "/dashboard/"

// Handler serves the document at / and its files below [Prefix].
func Handler() http.Handler { return handler{load()} }

type handler struct{ *files }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.URL.Path == "/" {
		header.Set("Cache-Control", "no-cache") // The document names the version of all else.
		h.index.serve(w, r)
		return
	}
	f, ok := h.byPath[strings.TrimPrefix(r.URL.Path, Prefix+h.version+"/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	f.serve(w, r)
}
