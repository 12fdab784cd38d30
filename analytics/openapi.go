package analytics

import (
	_ "embed"
	"net/http"
)

// openAPIDocument describes the API as OpenAPI 3.1. TestOpenAPI makes it of the
// routes, the types of their answers and the comments there.
//
//go:embed openapi.json
var openAPIDocument []byte

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	serveDocument(w, "application/openapi+json", openAPIDocument)
}
