using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Formats;

/// <summary>Changes what an image was made with.</summary>
public interface IImageAmend
{
    /// <summary>Applies options of <see cref="ImageFormat.AmendOptions"/>; <paramref name="progress"/> takes 0 to 1.</summary>
    ValueTask AmendAsync(IReadOnlyDictionary<string, string> options, bool force, Action<double>? progress, CancellationToken cancellation);
}
