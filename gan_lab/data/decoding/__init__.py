"""From files, trees and archives to pixels."""
