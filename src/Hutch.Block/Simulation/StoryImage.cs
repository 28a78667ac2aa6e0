using System;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Simulation;

/// <summary>An image that a story begins with.</summary>
/// <param name="Content">Its file, all of it durable.</param>
/// <param name="Tags">What each sector of its disk is filled with; see <see cref="SectorTags"/>.</param>
/// <param name="HasSnapshots">Snapshots are among the requests.</param>
/// <param name="IsOrdered">Its format writes metadata in an order that leaves leaks at most; others count blocks in a header that may be behind.</param>
/// <param name="OpenAsync">Opens it in a file for writing; the node owns the file.</param>
internal sealed record StoryImage(MemoryNode Content, int[] Tags, bool HasSnapshots, bool IsOrdered, Func<BlockNode, Task<BlockNode>> OpenAsync);
