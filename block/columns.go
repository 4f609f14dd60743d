package block

import (
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"flowd/flow"
)

// record is a row of a block as other programs see it. The hour is not among the columns: it is in
// the name of the folder, which is where they look for it.
//
// Names are indexes into a dictionary that each row group has of its own. Byte counts are
// differences, packed into as few bits as the largest of 32 needs: next to zstd alone that is twice as
// fast to write, and no larger by more than a twentieth.
type record struct {
	SrcApp  string `parquet:"src_app,dict"`
	DestApp string `parquet:"dest_app,dict"`
	VPCID   string `parquet:"vpc_id,dict"`
	BytesTx uint64 `parquet:"bytes_tx,delta"`
	BytesRx uint64 `parquet:"bytes_rx,delta"`
}

// The columns by their places in record.
const (
	srcApp = iota
	destApp
	vpcID
	bytesTx
	bytesRx
	columnCount

	nameCount = bytesTx
)

// schema is record's, and codec is the compression with its pool of encoders.
var (
	schema = parquet.SchemaOf(record{})
	codec  = &zstd.Codec{Level: zstd.SpeedFastest, Concurrency: 1}
)

// columns are rows turned into the values of each column, which is how the library takes them
// without looking at a struct through reflection.
type columns [columnCount][]parquet.Value

// set makes c of rows. The values share the memory of the rows' keys.
func (c *columns) set(rows []flow.Row) {
	for i := range c {
		if cap(c[i]) < len(rows) {
			c[i] = make([]parquet.Value, len(rows))
		}
		c[i] = c[i][:len(rows)]
	}
	for i := range rows {
		src, dest, vpc := rows[i].Key.Names()
		c[srcApp][i] = parquet.ByteArrayValue(src)
		c[destApp][i] = parquet.ByteArrayValue(dest)
		c[vpcID][i] = parquet.ByteArrayValue(vpc)
		c[bytesTx][i] = parquet.Int64Value(int64(rows[i].Totals.BytesTx))
		c[bytesRx][i] = parquet.Int64Value(int64(rows[i].Totals.BytesRx))
	}
}

// writeTo appends c to the columns of a row group.
func (c *columns) writeTo(group *parquet.ConcurrentRowGroupWriter) error {
	for i, column := range group.ColumnWriters() {
		if _, err := column.WriteRowValues(c[i]); err != nil {
			return err
		}
	}
	return nil
}
