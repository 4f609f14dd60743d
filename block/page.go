package block

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"flowd/flow"
)

// column reads the values of a column in a row group, a page at a time.
type column[T any] struct {
	pages *parquet.FilePages
	page  parquet.Page
	// valuesOf returns the values of a page, which share its memory.
	valuesOf func(parquet.Page) ([]T, error)
	// values are what is left of page.
	values []T
}

// load returns how many values are at hand, after having read a page if there were none.
func (c *column[T]) load() (int, error) {
	for len(c.values) == 0 {
		if err := guard(c.nextPage); err != nil {
			return 0, err
		}
	}
	return len(c.values), nil
}

func (c *column[T]) nextPage() error {
	parquet.Release(c.page)
	c.page = nil
	page, err := c.pages.ReadPage()
	if err == io.EOF {
		return errors.New("there are fewer values than rows")
	}
	if err != nil {
		return err
	}
	c.page = page
	c.values, err = c.valuesOf(page)
	return err
}

// take returns the next n values, which are valid until the next load.
func (c *column[T]) take(n int) []T {
	taken := c.values[:n]
	c.values = c.values[n:]
	return taken
}

func (c *column[T]) close() {
	if c.pages == nil {
		return
	}
	// Where bytes were wrong the library may have stopped half-way, and is not to be closed again.
	_ = guard(func() error {
		parquet.Release(c.page)
		return c.pages.Close()
	})
	c.pages, c.page, c.values = nil, nil, nil
}

func indexesOf(page parquet.Page) ([]int32, error) {
	if page.Dictionary() == nil {
		return nil, errors.New("a page has names, not indexes into the dictionary")
	}
	values := page.Data()
	return values.Int32(), nil
}

func countsOf(page parquet.Page) ([]uint64, error) {
	values := page.Data()
	return values.Uint64(), nil
}

// readDictionary returns the names that pages have indexes of, which are valid for good; never nil
// without an error.
func readDictionary(pages *parquet.FilePages) (names []string, err error) {
	err = guard(func() (err error) {
		names, err = dictionaryOf(pages)
		return err
	})
	return names, err
}

func dictionaryOf(pages *parquet.FilePages) ([]string, error) {
	dictionary, err := pages.ReadDictionary()
	if err != nil {
		return nil, err
	}
	if dictionary == nil {
		return nil, errors.New("there is no dictionary")
	}
	values := dictionary.Page().Data()
	data, offsets := values.ByteArray()
	all := string(data)
	names := make([]string, dictionary.Len())
	for i := range names {
		name := all[offsets[i]:offsets[i+1]]
		if len(name) == 0 || len(name) > flow.MaxName {
			return nil, fmt.Errorf("name %d of the dictionary has %d bytes, not 1 to %d", i, len(name), flow.MaxName)
		}
		names[i] = name
	}
	return names, nil
}
