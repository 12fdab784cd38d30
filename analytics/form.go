package analytics

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// form is how an answer is written.
type form int

const (
	formJSON form = iota
	formCSV
	formNDJSON
	formParquet
	formArrow
)

// forms are all of them. Apache Arrow has its streaming format, which needs no
// seeking.
var forms = [...]struct{ name, mediaType, contentType string }{
	formJSON:    {"json", "application/json", "application/json"},
	formCSV:     {"csv", "text/csv", "text/csv; charset=utf-8; header=present"},
	formNDJSON:  {"ndjson", "application/x-ndjson", "application/x-ndjson"},
	formParquet: {"parquet", "application/vnd.apache.parquet", "application/vnd.apache.parquet"},
	formArrow:   {"arrow", "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"},
}

func (f form) mediaType() string { return forms[f].contentType }

func (f form) ending() string {
	if f == formArrow {
		return "arrows"
	}
	return forms[f].name
}

// formOf tells the wanted form: by the parameter format, else by the header Accept
// (RFC 9110), else JSON. Only answers with rows have others than JSON.
func formOf(r *http.Request, rows bool) (form, error) {
	offered := forms[:]
	if !rows {
		offered = forms[:formJSON+1]
	}
	names := make([]string, len(offered))
	for i := range offered {
		names[i] = offered[i].name
	}
	if r.URL.Query().Has("format") {
		name, err := oneOf(r, "format", names...)
		return form(slices.Index(names, name)), err
	}
	accept := acceptOf(r)
	if len(accept) == 0 {
		return formJSON, nil
	}
	best, quality := formJSON, 0.0
	for i := range offered {
		if q := accept.quality(offered[i].mediaType); q > quality {
			best, quality = form(i), q
		}
	}
	if quality == 0 {
		return formJSON, &Problem{Title: "Not acceptable", Status: http.StatusNotAcceptable,
			Detail: "Accept: the answer can be given as " + strings.Join(mediaTypes(len(offered)), ", ")}
	}
	return best, nil
}

func mediaTypes(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = forms[i].mediaType
	}
	return list
}

// accepted are the parts of a header Accept.
type accepted []acceptedType

type acceptedType struct {
	pattern string // a media type, type/* or */*
	quality float64
}

// acceptOf reads the header. Parts that can't be read count as not there.
func acceptOf(r *http.Request) (list accepted) {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		pattern, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		quality := 1.0
		if text, ok := params["q"]; ok {
			if quality, err = strconv.ParseFloat(text, 64); err != nil || quality < 0 || quality > 1 {
				continue
			}
		}
		list = append(list, acceptedType{pattern, quality})
	}
	return list
}

// quality is that of the most precise pattern that a media type is of; 0 is not
// acceptable.
func (a accepted) quality(mediaType string) (quality float64) {
	kind, _, _ := strings.Cut(mediaType, "/")
	for _, pattern := range [...]string{"*/*", kind + "/*", mediaType} {
		for _, t := range a {
			if t.pattern == pattern {
				quality = t.quality
			}
		}
	}
	return quality
}
