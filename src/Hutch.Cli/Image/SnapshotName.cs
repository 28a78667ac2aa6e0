using System;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Jobs;
using Hutch.Block.Opening;
using Hutch.Block.Options;

namespace Hutch.Cli.Image;

/// <summary>The snapshot of -l: an id or a name, or snapshot.id=ID,snapshot.name=NAME.</summary>
internal static class SnapshotName
{
    /// <summary>The id or name that is meant. Throws <see cref="ImageException"/>.</summary>
    internal static string Of(string text)
    {
        if (!text.StartsWith("snapshot.", StringComparison.Ordinal)) return text;
        OptionSet options = new(OptionList.Parse(text));
        return options.Take("snapshot.id") ?? options.Take("snapshot.name") ?? throw new ImageException($"Failed in parsing snapshot param '{text}'");
    }

    /// <summary>Shows a snapshot's content. Throws <see cref="ImageException"/>.</summary>
    internal static void Load(ImageNode image, string snapshot)
    {
        try
        {
            if (image is not IImageSnapshots snapshots) throw new ImageException("Device doesn't support snapshots");
            Blocking.Wait(snapshots.LoadSnapshotAsync(snapshot, default));
        }
        catch (ImageException e)
        {
            throw new ImageException($"Failed to load snapshot: {e.Message}", e.Hint);
        }
        catch (BlockIoException e)
        {
            throw new ImageException($"Failed to load snapshot: {ErrorText.Of(e)}", e);
        }
    }
}
