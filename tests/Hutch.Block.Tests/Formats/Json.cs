using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;

namespace Hutch.Block.Tests.Formats;

/// <summary>Compares what qemu-img prints with what a node says, whatever the order.</summary>
internal static class Json
{
    internal static string Flatten(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "{" + string.Join(",", element.EnumerateObject().OrderBy(static p => p.Name, StringComparer.Ordinal).Select(static p => $"{p.Name}={Flatten(p.Value)}")) + "}",
        JsonValueKind.Array => "[" + string.Join(",", element.EnumerateArray().Select(Flatten)) + "]",
        _ => element.ToString(),
    };

    internal static string Flatten(object value) => value switch
    {
        IReadOnlyList<KeyValuePair<string, object>> map => "{" + string.Join(",", map.OrderBy(static p => p.Key, StringComparer.Ordinal).Select(static p => $"{p.Key}={Flatten(p.Value)}")) + "}",
        IReadOnlyList<object> list => "[" + string.Join(",", list.Select(Flatten)) + "]",
        _ => value.ToString()!,
    };
}
