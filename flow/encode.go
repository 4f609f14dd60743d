package flow

// AppendJSON appends f as a JSON object with the fields in the contract's order.
func (f *Flow) AppendJSON(dst []byte) []byte {
	row := Row{Key: f.Key(), Totals: Totals{f.BytesTx, f.BytesRx}, Hour: f.Hour}
	return row.AppendJSON(dst)
}

// AppendJSON appends r as a JSON object:
// {"src_app":"a","dest_app":"b","vpc_id":"c","bytes_tx":1,"bytes_rx":2,"hour":3}
func (r *Row) AppendJSON(dst []byte) []byte {
	panic("being written")
}
