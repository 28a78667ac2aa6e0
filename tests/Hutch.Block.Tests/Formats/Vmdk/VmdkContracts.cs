using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Vmdk;
using Hutch.Block.Graph;
using Hutch.Block.Tests.Formats.Mapped;

namespace Hutch.Block.Tests.Formats.Vmdk;

public sealed class VmdkMonolithicSparseTests : VmdkContract
{
    private protected override (string Name, string Value)[] Options => [];
}

public sealed class VmdkZeroedGrainTests : VmdkContract
{
    private protected override (string Name, string Value)[] Options => [("zeroed_grain", "on")];
}

public sealed class VmdkMonolithicFlatTests : VmdkContract
{
    private protected override (string Name, string Value)[] Options => [("subformat", "monolithicFlat")];

    private protected override bool HasOneFile => false;

    private protected override bool HasCheck => false;
}

public sealed class VmdkSplitSparseTests : VmdkContract
{
    private protected override (string Name, string Value)[] Options => [("subformat", "twoGbMaxExtentSparse")];

    private protected override bool HasOneFile => false;
}

public sealed class VmdkSplitFlatTests : VmdkContract
{
    private protected override (string Name, string Value)[] Options => [("subformat", "twoGbMaxExtentFlat")];

    private protected override bool HasOneFile => false;

    private protected override bool HasCheck => false;
}

public sealed class VmdkStreamOptimizedTests : VmdkContract
{
    private protected override (string Name, string Value)[] Options => [("subformat", "streamOptimized")];

    private protected override bool IsPlain => false;
}

/// <summary>What every kind of VMDK image does; the files that its descriptor names are followed.</summary>
public abstract class VmdkContract : MappedImageContract, IImageReferences
{
    private protected sealed override ImageFormat Format => VmdkFormat.Instance;

    private protected sealed override Task<ImageNode> OpenAsync(bool readOnly = false) => Images.OpenAsync(Format, "disk", readOnly, references: this);

    ValueTask<BlockNode?> IImageReferences.OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation) => new(VmdkFiles.Open(reference, owner, readOnly));
}

/// <summary>Follows references beside the image.</summary>
internal sealed class VmdkFiles : IImageReferences
{
    async ValueTask<BlockNode?> IImageReferences.OpenAsync(ImageReference reference, BlockNode owner, bool readOnly, CancellationToken cancellation)
    {
        BlockNode file = Open(reference, owner, readOnly);
        return reference.Kind == ImageReferenceKind.Data ? file : await VmdkFormat.Instance.OpenAsync(file, new ImageOpenOptions { ReadOnly = readOnly, References = this }, cancellation);
    }

    internal static BlockNode Open(ImageReference reference, BlockNode owner, bool readOnly) =>
        ImageFolder.OpenFile(Path.Combine(Path.GetDirectoryName(owner.Filename)!, reference.Name), readOnly);
}
