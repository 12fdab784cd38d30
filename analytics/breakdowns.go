package analytics

// breakdownRoutes are the paths of what is broken down by link, place, client,
// mailbox provider and reason, and of lists of recipients.
func (a *API) breakdownRoutes() []route { return nil }
