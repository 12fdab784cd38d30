package analytics

import "net/http"

// route is one path of the API.
type route struct {
	pattern string // method and path
	handler http.HandlerFunc
}

// routes lists all paths of the API. openapi.yaml describes each.
func (a *API) routes() []route {
	list := []route{
		{"GET /v1/campaigns", serveJSON(a, a.campaigns)},
		{"GET /v1/campaigns/{id...}", serveJSON(a, a.campaign)},
		{"GET /v1/campaigns/{id}/series", serveJSON(a, a.timeSeries)},
		{"GET /v1/series", serveJSON(a, a.timeSeries)},
		{"GET /v1/triggers", serveJSON(a, a.triggers)},
		{"GET /v1/triggers/tail", a.tail},
		{"GET /v1/deliveries", serveJSON(a, a.deliveries)},
		{"GET /v1/deliveries/{id}", serveJSON(a, a.delivery)},
		{"GET /v1/rules", serveJSON(a, a.rules)},
		{"GET /v1/suppressions", a.suppressionsAs},
		{"GET /v1/suppressions/check", serveJSON(a, a.checkSuppression)},
		{"POST /v1/suppressions/check", serveJSON(a, a.checkSuppressions)},
	}
	list = append(list, a.breakdownRoutes()...)
	return append(list, a.behaviourRoutes()...)
}
