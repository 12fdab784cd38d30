package analytics

import (
	"bytes"
	_ "embed"
	"fmt"
	"net/http"
	"sync"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
)

// statisticsText tells what each number is.
//
//go:embed statistics.md
var statisticsText []byte

const docsStyle = `:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;display:block;overflow-x:auto;margin:1rem 0}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent)}
code{font-family:ui-monospace,monospace;font-size:.95em}
:target{outline:2px solid Highlight}
`

// statisticsPage is the text as a page. Headings have ids, to be linked to.
var statisticsPage = sync.OnceValues(func() ([]byte, error) {
	markdown := goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	var text bytes.Buffer
	if err := markdown.Convert(statisticsText, &text); err != nil {
		return nil, fmt.Errorf("rendering statistics.md: %w", err)
	}
	page := "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n" +
		"<title>Statistics: what each number is</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n<main>\n" + text.String() + "</main>\n</body>\n</html>\n"
	return []byte(page), nil
})

func (a *API) serveStatisticsPage(w http.ResponseWriter, _ *http.Request) {
	page, err := statisticsPage()
	if err != nil {
		a.cfg.Logger.Error("serving the statistics page failed", "error", err)
		writeProblem(w, Problem{Title: "Internal error", Status: http.StatusInternalServerError})
		return
	}
	serveDocument(w, "text/html; charset=utf-8", page)
}

func serveDocsStyle(w http.ResponseWriter, _ *http.Request) {
	serveDocument(w, "text/css; charset=utf-8", []byte(docsStyle))
}

func serveDocument(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = w.Write(body) // The caller went away.
}
