package httpapi

import (
	"bytes"
	"flowd/httpapi/answer"
	"flowd/httpapi/format"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/fasthttp/router"
	"github.com/klauspost/compress/gzip"
	"github.com/valyala/fasthttp"
)

// Page is what a browser is shown: index.html at /, and what that asks for below /assets/. It is
// read once, so that no request names a file of the server's.
type Page struct {
	files map[string]*pageFile // by the path that it is served at
}

// pageFile is one file of the page, with all that its answers say of it.
type pageFile struct {
	mediaType string
	// cache says how long a browser may keep the file without asking.
	cache string
	// tag is weak, for it stands for both forms.
	tag  []byte
	body []byte
	// packed returns body as gzip, or nil if that is not smaller. It is made for the first client that asks,
	// so that a start need not wait for it. Others than gzip would make little of it smaller.
	packed func() []byte
}

// pageTypes are the kinds of files that a page may have. Those of the machine that the server
// runs on may differ.
var pageTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".png":   "image/png",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
}

const (
	indexFile   = "index.html"
	assetFolder = "assets/"

	// An asset has a hash of its content in its name, so it never changes under that name; the
	// index names the assets, so it must be the newest.
	cacheIndex = "no-cache"
	cacheAsset = "public, max-age=31536000, immutable"

	// contentPolicy allows what comes from this server alone, and no script or style in the
	// text of the page: should a name of an app ever be taken for HTML, nothing of it would run.
	contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// NewPage reads a page: index.html, and what is below assets/. Names that begin with a dot are
// left out; any other file is an error, as no client could get it.
func NewPage(from fs.FS) (*Page, error) {
	p := &Page{files: map[string]*pageFile{}}
	err := fs.WalkDir(from, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		return p.add(from, name)
	})
	if err == nil && p.files["/"] == nil {
		err = fmt.Errorf("it has no %s", indexFile)
	}
	if err != nil {
		return nil, fmt.Errorf("httpapi: the page cannot be served: %w", err)
	}
	return p, nil
}

func (p *Page) add(from fs.FS, name string) error {
	f := &pageFile{mediaType: pageTypes[path.Ext(name)], cache: cacheAsset}
	at := "/" + name
	switch {
	case name == indexFile:
		at, f.cache = "/", cacheIndex
	case !strings.HasPrefix(name, assetFolder):
		return fmt.Errorf("%s is neither %s nor below %s", name, indexFile, assetFolder)
	case strings.ContainsAny(name, "{}"):
		return fmt.Errorf("%s has a brace in its name, which a route cannot have", name)
	}
	if f.mediaType == "" {
		return fmt.Errorf("%s is of a kind that is not known here", name)
	}
	var err error
	if f.body, err = fs.ReadFile(from, name); err != nil {
		return err
	}
	f.tag = strconv.AppendUint([]byte(`W/"`), xxhash.Sum64(f.body), 36)
	f.tag = append(f.tag, '"')
	f.packed = sync.OnceValue(f.pack)
	p.files[at] = f
	return nil
}

// pack compresses what never changes, as far as that goes.
func (f *pageFile) pack() []byte {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(f.body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil || packed.Len() >= len(f.body) {
		return nil // a Buffer takes all, and the level is one; if not, the file goes out as it is
	}
	return packed.Bytes()
}

// servePage serves the page, if there is one, at its own paths alone and not under prefix: it is
// no part of the API. It asks nothing of the engine, so it is there while that recovers.
func (s *Server) servePage(r *router.Router) {
	if s.page == nil {
		return
	}
	for at, file := range s.page.files {
		handle := s.on(routePage, ignoringBody(file.answer))
		r.GET(at, handle)
		r.HEAD(at, handle)
	}
}

func (f *pageFile) answer(ctx *fasthttp.RequestCtx) {
	head := &ctx.Response.Header
	head.Set(fasthttp.HeaderContentSecurityPolicy, contentPolicy)
	head.Set(fasthttp.HeaderXContentTypeOptions, "nosniff")
	head.Set(fasthttp.HeaderReferrerPolicy, "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set(fasthttp.HeaderCacheControl, f.cache)
	head.SetBytesV(fasthttp.HeaderETag, f.tag)
	head.Set(fasthttp.HeaderVary, fasthttp.HeaderAcceptEncoding)
	if answer.HasCurrent(&ctx.Request.Header, f.tag) {
		ctx.SetStatusCode(fasthttp.StatusNotModified)
		return
	}
	ctx.SetContentType(f.mediaType)
	body := f.body
	if format.TakesGzip(ctx.Request.Header.PeekAll(fasthttp.HeaderAcceptEncoding)) {
		if packed := f.packed(); packed != nil {
			head.Set(fasthttp.HeaderContentEncoding, format.EncodingNames[format.Gzip])
			body = packed
		}
	}
	ctx.Response.SetBodyRaw(body)
}
