package analytics

// behaviourRoutes are the paths of how people behave over time: delays, funnels,
// heat maps, cohorts, comparisons, one recipient's course.
func (a *API) behaviourRoutes() []route {
	return []route{
		{"GET /v1/campaigns/{id}/delays", serveJSON(a, a.delays)},
		{"GET /v1/delays", serveJSON(a, a.delays)},
		{"GET /v1/campaigns/{id}/funnel", serveJSON(a, a.funnel)},
		{"GET /v1/funnel", serveJSON(a, a.funnel)},
		{"GET /v1/campaigns/{id}/heatmap", serveJSON(a, a.heatMap)},
		{"GET /v1/heatmap", serveJSON(a, a.heatMap)},
		{"GET /v1/campaigns/{id}/cohorts", serveJSON(a, a.cohorts)},
		{"GET /v1/cohorts", serveJSON(a, a.cohorts)},
		{"GET /v1/compare", serveJSON(a, a.compare)},
		{"GET /v1/campaigns/{id}/anomalies", serveJSON(a, a.anomalies)},
		{"GET /v1/anomalies", serveJSON(a, a.anomalies)},
		{"GET /v1/recipients/{id}", serveJSON(a, a.recipient)},
		{"POST /v1/recipients/lookup", serveJSON(a, a.lookUpRecipient)},
		{"GET /v1/events/tail", a.tailEvents},
	}
}
