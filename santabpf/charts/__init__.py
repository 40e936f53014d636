"""Charts: each file is one, a table in and a picture out, with a value between them.

    info(tables...)  -> a value: what the picture says, in numbers; no plotly
    figure(info)     -> the picture; no data, no decisions

In: Arrow (or pandas) tables as they stand in a recording or a result. Out: plotly figures, and display values for
what plotly is too slow for (lanes) or is no picture (tables). Never: a recording, a path, a node.
An empty table gives a picture with a note, never an exception. This room is plotly's only door.
"""
