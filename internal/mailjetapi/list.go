package mailjetapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// maxPages bounds a list: 100,000 resources.
const maxPages = 100

type listed[T any] struct {
	Count, Total int
	Data         []T
}

// list reads all pages of a resource.
func list[T any](ctx context.Context, c *Client, path string, query url.Values) (all []T, err error) {
	query.Set("Limit", strconv.Itoa(pageSize))
	for range maxPages {
		if len(all) > 0 {
			query.Set("Offset", strconv.Itoa(len(all)))
		}
		page, err := retry(ctx, c, func(int) (p listed[T], err error) {
			return p, c.do(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &p)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if len(page.Data) < pageSize {
			return all, nil
		}
	}
	return nil, fmt.Errorf("more than %d of %s: ask for a shorter period", maxPages*pageSize, path)
}
