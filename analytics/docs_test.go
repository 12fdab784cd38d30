package analytics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The page names every counter and every rate, and headings can be linked to.
func TestStatisticsPage(t *testing.T) {
	api := NewAPI(APIConfig{})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusOK || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%s: %d %v", path, w.Code, w.Header())
		}
		return w
	}
	page := get("/docs/statistics").Body.String()
	for _, name := range append(append([]string{}, counterNames...), rateNames...) {
		if !strings.Contains(page, "<code>"+name+"</code>") {
			t.Errorf("the page does not tell what %s is", name)
		}
	}
	if !strings.Contains(page, `<h2 id="counters-and-rates">`) || !strings.Contains(page, "<table>") {
		t.Error("headings without ids, or no tables")
	}
	get("/docs/style.css")
	get("/v1/openapi.json")
}
