package analytics

// behaviourRoutes are the paths of how people behave over time: delays, funnels,
// heat maps, cohorts, comparisons, one recipient's course.
func (a *API) behaviourRoutes() []route { return nil }
