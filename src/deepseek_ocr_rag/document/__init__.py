"""Documents as data: pages, blocks, boxes, tables, headings, records."""
