using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Devices;

namespace Hutch.Vmm.Run;

/// <summary>Finds what a client named among what the machine has.</summary>
internal static class Lookup
{
    /// <summary>Finds it. Throws <see cref="ConfigException"/>, which lists what there is.</summary>
    /// <param name="all">What the machine has of the kind.</param>
    /// <param name="nameOf">The name of each.</param>
    /// <param name="name">The one that is wanted.</param>
    /// <param name="kind">What they are called.</param>
    internal static T Find<T>(IReadOnlyList<T> all, Func<T, string> nameOf, string name, string kind) where T : class =>
        all.FirstOrDefault(each => nameOf(each) == name) ?? throw new ConfigException(all.Count == 0
            ? $"There is no {kind} '{name}'; the machine has none."
            : $"There is no {kind} '{name}'; the machine has {string.Join(", ", all.Select(nameOf))}.");
}
