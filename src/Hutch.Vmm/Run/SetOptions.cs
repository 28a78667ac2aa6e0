using System.Collections.Generic;
using System.Linq;

namespace Hutch.Vmm.Run;

/// <summary>The options of the verb <c>set</c>, of which each part of it takes its own.</summary>
internal static class SetOptions
{
    /// <summary>All options but one.</summary>
    internal static IReadOnlyDictionary<string, string> Without(IReadOnlyDictionary<string, string> options, string taken) =>
        new Dictionary<string, string>(options.Where(pair => pair.Key != taken));
}
